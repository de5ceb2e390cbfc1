"""Archive and ledger read as one, from event 1 on: for a replay of everything that ever happened."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fraud_system.closing import Closing
from fraud_system.errors import ArtefactError, LedgerError
from fraud_system.events import Column, Frame
from fraud_system.ledger import Ledger
from serving.operations.archive import Archive


class WholeLedger(Closing):
    """A `Ledger` for reading, whose beginning comes from the archive where the ledger has it no more.

    It has no snapshots to begin at, so that whoever recovers from it begins at event 1; one may be saved, and
    is then the ledger's. Look-ups know what the ledger's index knows.

    Args:
        ledger: the rest, from `ledger.first_seq` on.
        archive: what was dropped from it.

    Raises:
        ArtefactError: the archive does not reach from event 1 to the ledger's first.
    """

    def __init__(self, ledger: Ledger, archive: Archive) -> None:
        self._ledger = ledger
        self._archive = archive
        self._spans = archive.spans() if ledger.first_seq > 1 else []
        ends = (self._spans[0].first_seq, self._spans[-1].last_seq + 1) if self._spans else (1, 1)
        if ends[0] > 1 or ends[1] < ledger.first_seq:
            raise ArtefactError(
                f"does not hold the events 1 to {ledger.first_seq - 1}",
                field=str(archive.folder),
                fix="give the whole archive of this ledger",
            )

    @property
    def first_seq(self) -> int:
        """1: everything is held."""
        return 1

    @property
    def last_seq(self) -> int:
        """See `Ledger.last_seq`."""
        return self._ledger.last_seq

    @property
    def needed_from_seq(self) -> int:
        """See `Ledger.needed_from_seq`."""
        return 1

    def frames(self, after_seq: int = 0) -> Iterator[Frame]:
        """See `Ledger.frames`."""
        for span in self._spans:
            if span.last_seq > after_seq and span.first_seq < self._ledger.first_seq:
                for frame in self._archive.frames(span):
                    if frame.last_seq > after_seq:
                        after_seq = frame.last_seq
                        yield frame
        yield from self._ledger.frames(after_seq)

    def frame_at(self, seq: int) -> Frame:
        """See `Ledger.frame_at`."""
        if seq >= self._ledger.first_seq:
            return self._ledger.frame_at(seq)
        return next(self.frames(seq - 1))

    def seq_of(self, transaction_key: int) -> int | None:
        """See `Ledger.seq_of`."""
        return self._ledger.seq_of(transaction_key)

    def label_seqs(self, transaction_key: int) -> list[int]:
        """See `Ledger.label_seqs`."""
        return self._ledger.label_seqs(transaction_key)

    def known_labels(self, label_keys: Iterable[int]) -> dict[int, int]:
        """See `Ledger.known_labels`."""
        return self._ledger.known_labels(label_keys)

    def publication_seq(self, version: int) -> int | None:
        """See `Ledger.publication_seq`."""
        return self._ledger.publication_seq(version)

    def save_snapshot(self, name: str, seq: int, arrays: Mapping[str, Column]) -> None:
        """See `Ledger.save_snapshot`."""
        self._ledger.save_snapshot(name, seq, arrays)

    def latest_snapshot(
        self, name: str, at_most_seq: int | None = None
    ) -> tuple[int, dict[str, Column]] | None:
        """None: whoever reads this begins at event 1."""
        return None

    def append(self, frames: Sequence[Frame], reusable_before_seq: int = 0) -> None:
        """Refused."""
        raise LedgerError("archive and ledger together are for reading")

    def drop_before(self, seq: int, at_most_events: int = 0) -> int:
        """Refused."""
        raise LedgerError("archive and ledger together are for reading")

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()
