"""`make bench-train`: the contests, the table, `results/bench-train.json`.

`docs/benchmarks.md` says what is compared and how. Contenders of one contest take turns; those that need a
package that is not installed are left out with one line.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks import table
from benchmarks.rounds import Contender, take_turns
from benchmarks.table import Row
from benchmarks.train import encoding, learning, processes, replaying, vowpal, windows
from benchmarks.train.material import LearningRows, Material, learning_rows, material

PACKAGES = ("numpy", "numba", "river", "pandas", "polars", "vowpalwabbit")
LAPLACE_PAIRS = 200  # products in the replay with `laplace`
EVERY_NTH_ENTITY = 10  # pandas: cards and terminals that it is given


@dataclass(frozen=True)
class Sizes:
    """How much work each contender gets.

    Args:
        learn: rows for the compiled kernel and for Vowpal Wabbit.
        river, river_all_pairs: rows for river's loop with the declared and with all interactions.
        rounds: of each contest.
    """

    learn: int = 500_000
    river: int = 10_000
    river_all_pairs: int = 1_000
    rounds: int = 3


@dataclass(frozen=True)
class Ratio:
    """Ours against theirs, and what is asked of it."""

    ours: str
    theirs: str
    goal: str = ""


def run() -> None:
    """Measure everything, print the table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="the Handbook's transactions; without it a simulation"
    )
    parser.add_argument("--days", type=int, default=400, help="of the simulation")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    sizes = Sizes(rounds=given.rounds)
    # First, while this process is small: see `memory_rows`.
    rows = processes.memory_rows(given.data, given.days)
    rows += processes.first_call_rows()
    stream = material(given.data, given.days)
    known = learning_rows(stream, sizes.learn)
    rows = replay_contest(stream, known, sizes) + rows
    rows = feature_contest(stream, sizes) + rows
    with tempfile.TemporaryDirectory() as folder:
        rows = learn_contest(known, stream, sizes, Path(folder)) + rows
    about = {"data": {"name": stream.name, "transactions": stream.transactions}}
    path = table.write("bench-train", rows, PACKAGES, about)
    print(f"{stream.name}: {stream.transactions:,} transactions; one core, CPU time, medians of")
    print(f"{sizes.rounds} rounds [lowest .. highest]; a ratio is ours / theirs")
    print(table.text(rows))
    print(f"written: {path}")


def learn_contest(known: LearningRows, stream: Material, sizes: Sizes, folder: Path) -> list[Row]:
    """Learning: the compiled kernel, Vowpal Wabbit, river's loop."""
    settings, pairs = stream.settings.model, learning.all_pairs(known.names)
    declared = f"declared terms ({len(known.names) + len(known.pairs)})"
    every = f"all squares and products ({len(known.names) + len(pairs)})"
    ours, ours_all = f"fast_forward, {declared}", f"fast_forward, {every}"
    river = f"river learn_one, {declared}, on {sizes.river:,} rows"
    river_all = f"river learn_one, {every}, on {sizes.river_all_pairs:,} rows"
    contenders: dict[str, Contender] = {
        ours: learning.compiled(known, known.pairs, settings),
        ours_all: learning.compiled(known, pairs, settings),
        river: learning.river_loop(known.first(sizes.river), known.pairs, settings),
        river_all: learning.river_loop(known.first(sizes.river_all_pairs), pairs, settings),
    }
    work = {ours: len(known.features), ours_all: len(known.features)}
    work |= {river: min(sizes.river, len(known.features))}
    work |= {river_all: min(sizes.river_all_pairs, len(known.features))}
    ratios = [Ratio(ours, river, ">= 1000"), Ratio(ours_all, river_all, ">= 1000")]
    losses = [
        _loss(name, learner, known)
        for name, learner in contenders.items()
        if name in (ours, ours_all)
    ]
    if installed("vowpalwabbit", "Vowpal Wabbit"):
        same = f"Vowpal Wabbit, {declared}"
        quadratic = f"Vowpal Wabbit -q ::, {every}"
        for name, cache in _caches(known, stream, folder, same, quadratic).items():
            rate, loss = _best_rate(name, cache)
            losses.append(loss)
            contenders[name], work[name] = cache.learn(rate), len(known.features)
        ratios = [
            Ratio(ours, quadratic, ">= 8"),
            Ratio(ours_all, quadratic, ">= 8"),
            Ratio(ours, same),
            *ratios,
        ]
        best = {row.name.split(": ")[1].split(", -l")[0]: row for row in losses}
        for mine, other in ((ours, quadratic), (ours, same), (ours_all, quadratic)):
            pair = best[mine], best[other]
            losses.append(table.compared(*pair, [pair[0].value / pair[1].value], "<= 1"))
    return losses + contest(contenders, work, "rows/s", ratios, sizes.rounds)


def _loss(name: str, learner: Contender, known: LearningRows) -> Row:
    """The progressive log loss of the compiled kernel (this call also compiles it)."""
    log_odds = np.asarray(learner())
    value = learning.progressive_log_loss(log_odds, known.is_fraud)
    return Row(f"progressive log loss: {name}", value, "nats")


def _caches(
    known: LearningRows, stream: Material, folder: Path, same: str, quadratic: str
) -> dict[str, vowpal.Cache]:
    """Its two caches: the declared terms multiplied out beforehand, and the features for `-q ::`."""
    settings = stream.settings.model
    terms = learning.squashed(known, settings.squash_limit)
    place = {name: index for index, name in enumerate(known.names)}
    products = [terms[:, [place[a]]] * terms[:, [place[b]]] for a, b in known.pairs]
    declared = np.concatenate([terms, *products], axis=1)
    print("... making Vowpal Wabbit's caches", flush=True)
    make = vowpal.make_cache
    return {
        same: make(folder, "declared", declared, known.is_fraud, settings.prevalence),
        quadratic: make(
            folder, "quadratic", terms, known.is_fraud, settings.prevalence, ("-q", "::")
        ),
    }


def _best_rate(name: str, cache: vowpal.Cache) -> tuple[float, Row]:
    """The learning rate of the grid with the lowest progressive log loss."""
    progress = tqdm(vowpal.LEARNING_RATES, unit=" learning rates", disable=None)
    loss = {rate: cache.learn(rate)() for rate in progress}
    best = min(loss, key=lambda rate: loss[rate])
    return best, Row(f"progressive log loss: {name}, -l {best} (best of 5)", loss[best], "nats")


def feature_contest(stream: Material, sizes: Sizes) -> list[Row]:
    """Window features of all transactions."""
    columns, n = windows.columns_of(stream), stream.transactions
    parts = windows.part_of_entities(columns, EVERY_NTH_ENTITY)
    part_rows = sum(len(part["amount"]) for part in parts.values()) / len(parts)
    whole = f"encoder, the whole declared list ({len(stream.settings.features.names)}, labels too)"
    ours = "encoder, 16 counters (count, total; card, terminal; 4 scales)"
    pandas = f"pandas groupby-rolling, 16 windows, every {EVERY_NTH_ENTITY}th card and terminal"
    contenders: dict[str, Contender] = {
        ours: encoding.encoder(stream, encoding.windows_only()),
        whole: encoding.encoder(stream, stream.settings.features),
        pandas: windows.pandas_groups(parts),
    }
    work = {ours: float(n), whole: float(n), pandas: part_rows}
    ratios = [Ratio(ours, pandas, ">= 100")]
    if installed("polars", "polars"):
        polars = "polars rolling, 16 windows"
        contenders[polars], work[polars] = windows.polars_over(columns), n
        ratios = [Ratio(ours, polars, ">= 3, stretch 6"), Ratio(whole, polars), *ratios]
    for name in (ours, whole):
        contenders[name]()  # compile outside of what is measured
    return contest(contenders, work, "transactions/s", ratios, sizes.rounds)


def replay_contest(stream: Material, known: LearningRows, sizes: Sizes) -> list[Row]:
    """The complete replay, with each model, against river's bare linear loop."""
    river = f"river predict_proba_one + learn_one, linear, on {sizes.river:,} rows"
    ours, durable = "complete replay, ledger in memory", "complete replay, durable SQLite ledger"
    linear = stream.with_laplace(())
    crossed = stream.with_laplace(learning.all_pairs(known.names)[:LAPLACE_PAIRS])
    laplace = {f"complete replay, laplace, {each.terms}": each for each in (linear, crossed)}
    with tempfile.TemporaryDirectory() as folder:
        contenders: dict[str, Contender] = {
            ours: replaying.replay_in_memory(stream),
            durable: replaying.durable_replay(stream, Path(folder)),
            **{name: replaying.replay_in_memory(each) for name, each in laplace.items()},
            river: learning.river_linear_loop(known.first(sizes.river)),
        }
        work = dict.fromkeys([ours, durable, *laplace], float(stream.transactions))
        work[river] = min(sizes.river, len(known.features))
        ratios = [Ratio(ours, river, ">= 4, stretch 8"), Ratio(durable, river, ">= 1.5")]
        goals = (">= 4", ">= 1, stretch 2")
        ratios += [Ratio(name, river, goal) for name, goal in zip(laplace, goals, strict=True)]
        for each in (stream, linear):
            replaying.replay_in_memory(each.first_events(2_000))()  # compile
        return contest(contenders, work, "transactions/s", ratios, sizes.rounds)


def contest(
    contenders: Mapping[str, Contender],
    work: Mapping[str, float],
    unit: str,
    ratios: Sequence[Ratio],
    rounds: int,
) -> list[Row]:
    """Let contenders take turns; a row for each, then a row for each ratio."""
    seconds = take_turns(contenders, rounds)
    rows = {name: table.rates(name, unit, work[name], seconds[name]) for name in contenders}
    result = list(rows.values())
    for each in ratios:
        a, b = each.ours, each.theirs
        in_rounds = [
            (work[a] / ours_s) / (work[b] / theirs_s)
            for ours_s, theirs_s in zip(seconds[a], seconds[b], strict=True)
        ]
        result.append(table.compared(rows[a], rows[b], in_rounds, each.goal))
    return result


def installed(package: str, name: str) -> bool:
    """Whether an optional contender can take part; says so in one line where it cannot."""
    if find_spec(package) is not None:
        return True
    print(f"left out: {name} ({package} is not installed; make bench-train installs it)")
    return False
