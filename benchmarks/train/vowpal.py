"""Vowpal Wabbit on the same rows, from a binary cache that was made beforehand and is not timed.

It gets what the compiled kernel gets, and more: the features come standardised and squashed (the kernel
does that itself, within its time), the constant starts at the same log odds, prediction output is off, and
it runs inside this process, so that no start-up is counted. Its updates are its own defaults (adaptive,
normalised, invariant), its table is large enough that hashes hardly meet.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import DataError

LEARNING_RATES = (0.1, 0.25, 0.5, 1.0, 2.0)
TABLE_BITS = 22


@dataclass(frozen=True)
class Cache:
    """Rows in Vowpal Wabbit's own format.

    Args:
        text, binary: the files; it opens the first and reads the second.
        options: what makes its terms of the features, such as `-q ::`.
        constant: log odds that it starts with.
        rows: how many there are.
    """

    text: Path
    binary: Path
    options: tuple[str, ...]
    constant: float
    rows: int

    def learn(self, learning_rate: float) -> Callable[[], float]:
        """One pass over the rows; gives its own progressive log loss."""
        given = ["--learning_rate", str(learning_rate), "--bit_precision", str(TABLE_BITS)]
        return lambda: _run(self, [*given, *self.options])


def make_cache(
    folder: Path,
    name: str,
    terms: NDArray[np.float64],
    is_fraud: NDArray[np.bool_],
    prevalence: float,
    options: tuple[str, ...] = (),
) -> Cache:
    """Write rows as text, and let Vowpal Wabbit turn them into its cache.

    Args:
        folder: where the files go.
        name: of the files.
        terms: (n, d); a 0 is left out by Vowpal Wabbit itself.
        is_fraud: (n,).
        prevalence: the rate to start from.
        options: see `Cache`.
    """
    constant = math.log(prevalence / (1.0 - prevalence))
    made = Cache(folder / f"{name}.vw", folder / f"{name}.cache", options, constant, len(terms))
    write_text(made.text, terms, is_fraud)
    # With the same number of bits, or the first learner would make the cache anew.
    _run(made, ["--kill_cache", "--bit_precision", str(TABLE_BITS)])
    return made


def write_text(path: Path, terms: NDArray[np.float64], is_fraud: NDArray[np.bool_]) -> None:
    """One line a row: label, then each feature by number, to the nine digits that float32 has."""
    line = "%s |f " + " ".join(f"{column}:%.9g" for column in range(terms.shape[1])) + "\n"
    with path.open("w", encoding="ascii") as out:
        for start in range(0, len(terms), 10_000):
            rows = terms[start : start + 10_000].tolist()
            labels = np.where(is_fraud[start : start + 10_000], "1", "-1").tolist()
            out.writelines(line % (label, *row) for label, row in zip(labels, rows, strict=True))


def _run(cache: Cache, options: list[str]) -> float:
    """Let Vowpal Wabbit run over the cache (or make it); its mean progressive loss."""
    from vowpalwabbit import Workspace

    files = ["--data", str(cache.text), "--cache_file", str(cache.binary), "--no_stdin"]
    loss = ["--loss_function", "logistic", "--link", "logistic", "--constant", str(cache.constant)]
    workspace = Workspace(arg_list=[*files, *loss, *options, "--quiet"])
    rows, loss_sum = workspace.get_weighted_examples(), workspace.get_sum_loss()
    workspace.finish()
    if rows != cache.rows:
        raise DataError(f"{rows} rows were read, not {cache.rows}", field=str(cache.binary))
    return float(loss_sum / rows)
