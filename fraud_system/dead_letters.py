"""The label messages that nobody claimed, read back from the ledger."""

from collections.abc import Iterator

from fraud_system.events import Frame, Table
from fraud_system.frames import labels_of
from fraud_system.ledger import Ledger


def dead_letters(ledger: Ledger) -> Iterator[Table]:
    """The label messages that were given up, as rows of the `label` table; send them again to retry.

    Those that the ledger still holds: the oldest frames may have been dropped.
    """
    held: Frame | None = None
    first_seq = ledger.first_seq
    for frame in ledger.frames(first_seq - 1):
        for label_seq in frame.tables.get("dead_letter", {}).get("label_seq", ()):
            if label_seq < first_seq:
                continue
            # Neighbours mostly come from one frame: read it once.
            if held is None or not held.first_seq <= label_seq <= held.last_seq:
                held = ledger.frame_at(int(label_seq))
            table = held.tables["label"] | labels_of(held.tables["label"]).table()
            row = table["seq"] == label_seq
            yield {name: column[row] for name, column in table.items()}
