"""What slices, learning curve and worst errors need beside the scores: who, where, which weights.

Each column is optional: data without terminals have no slice by terminal, and so on.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fraud_system.events import Column

from .run_files import PREDICTIONS

NOBODY = -1
"""Code of a row without a card, terminal or kind."""

_NAMED = ("card", "terminal", "fraud_kind")


@dataclass(frozen=True, slots=True)
class Named:
    """A column of names as numbers.

    Args:
        code: (n,) int64 place in `names`, or `NOBODY`.
        names: distinct names, in order of first appearance.
    """

    code: Column
    names: list[str]

    def name(self, row: int) -> str | None:
        """The name in a row.

        >>> Named(np.array([0, -1]), ["a"]).name(0), Named(np.array([0, -1]), ["a"]).name(1)
        ('a', None)
        """
        return None if self.code[row] == NOBODY else self.names[self.code[row]]


@dataclass(frozen=True, slots=True)
class Details:
    """Columns of n rows in ledger order; None where the file has no such column.

    Args:
        card, terminal: their keys.
        fraud_kind: only from a simulator; `NOBODY` where there is none.
        weights_version: (n,) int64, of the weights that served the row.
        transaction_id: an Arrow column of texts.
    """

    card: Named | None
    terminal: Named | None
    fraud_kind: Named | None
    weights_version: Column | None
    transaction_id: Any | None


def read_details(run_dir: Path) -> Details:
    """Read what there is of them; the file itself has been checked by `read_run_files`."""
    path = run_dir / PREDICTIONS
    present = set(pq.read_schema(path).names)
    wanted = [n for n in (*_NAMED, "weights_version", "transaction_id") if n in present]
    table = pq.read_table(path, columns=wanted, read_dictionary=[n for n in _NAMED if n in present])
    named = {name: _named(table.column(name)) if name in present else None for name in _NAMED}
    version = None
    if "weights_version" in present:
        whole = pc.fill_null(pc.cast(table.column("weights_version"), pa.int64()), 0)
        version = np.asarray(whole, dtype=np.int64)
    texts = table.column("transaction_id") if "transaction_id" in present else None
    return Details(**named, weights_version=version, transaction_id=texts)


def _named(column: Any) -> Named | None:
    """Empty texts are nobody, and a column of nobodies is no column."""
    whole = column.combine_chunks()
    encoded = whole if isinstance(whole, pa.DictionaryArray) else whole.dictionary_encode()
    names = [str(each.as_py() or "") for each in encoded.dictionary]
    code = np.asarray(pc.fill_null(encoded.indices, NOBODY), dtype=np.int64)
    empty = np.array([not name for name in names] + [True])  # the last one is nobody's
    code = np.where(empty[code], NOBODY, code)
    return Named(code, names) if np.any(code != NOBODY) else None
