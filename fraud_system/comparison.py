"""A recorded frame and the same frame computed again: equal to the last byte, or which column is not."""

from fraud_system.errors import ReplayMismatch
from fraud_system.events import Column, Frame, Table


def compare(recorded: Frame, again: Frame | None) -> None:
    """Raise ReplayMismatch unless both hold the same bytes; None is a frame that was not made.

    >>> compare(Frame(1, 1, 5, {}), Frame(1, 1, 6, {}))
    Traceback (most recent call last):
    fraud_system.errors.ReplayMismatch: seq 1..1: first_seq, last_seq or known_time_us were recorded ...
    """
    where = f"seq {recorded.first_seq}..{recorded.last_seq}"
    if again is None or _ends(recorded) != _ends(again):
        raise ReplayMismatch(
            "first_seq, last_seq or known_time_us were recorded differently", field=where
        )
    tables = _as_recorded(again.tables, recorded)
    for name in sorted(set(recorded.tables) | set(tables)):
        expected, found = recorded.tables.get(name, {}), tables.get(name, {})
        for column in sorted(set(expected) | set(found)):
            if not _same(expected.get(column), found.get(column)):
                raise ReplayMismatch(
                    f"{name}.{column} was recorded differently",
                    field=where,
                    fix="replay with the lock file, Python and CPU type of the record",
                )


def _ends(frame: Frame) -> tuple[int, int, int]:
    return frame.first_seq, frame.last_seq, frame.known_time_us


def _as_recorded(tables: dict[str, Table], recorded: Frame) -> dict[str, Table]:
    """Without the column that a release before it did not record: it follows from the others."""
    label = recorded.tables.get("label")
    if label is None or "label_key" in label or "label" not in tables:
        return tables
    return tables | {"label": {n: c for n, c in tables["label"].items() if n != "label_key"}}


def _same(left: Column | None, right: Column | None) -> bool:
    return (
        left is not None
        and right is not None
        and left.shape == right.shape
        and left.dtype == right.dtype
        and left.tobytes() == right.tobytes()
    )
