"""What every ledger promises, and the checks that all of them make.

The engine appends; learner, monitor, replay and recovery read. A ledger knows nothing of what the
events mean, but for the transactions, labels and publications that it indexes (see `places`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from fraud_system.errors import LedgerError, StaleWriter
from fraud_system.events import Column, Frame

SNAPSHOTS_KEPT = 2
DROPPED_AT_ONCE = 8_192

_RECOVERED = ("engine", "learner")
_SNAPSHOT_NAME = re.compile("[a-z][a-z0-9_]{0,63}")


class Ledger(Protocol):
    """An append-only sequence of frames, indexes of what is in them, and snapshots of folds.

    Seqs begin at 1 and have no gaps; the oldest frames may be dropped. One process writes. A ledger
    may be used by several threads of its process: calls take turns. Arrays that come out are
    read-only. After `close` every call but `close` raises LedgerError.
    """

    @property
    def first_seq(self) -> int:
        """Seq of the oldest event that is still held; 1 when there is none."""

    @property
    def last_seq(self) -> int:
        """Seq of the last stored event; 0 when there is none."""

    def append(self, frames: Sequence[Frame], reusable_before_seq: int = 0) -> None:
        """Store the frames in one durable commit, all of them or none. No frames: nothing happens.

        A transaction key that is stored at a seq below `reusable_before_seq` may come again, and is
        then found at its new place: `Engine.oldest_open_seq` says how far back ids are known.

        Raises:
            StaleWriter: the first does not begin at `last_seq + 1`, or two of them do not touch.
            LedgerError: a transaction key is stored already or comes twice, a frame cannot be
                indexed or encoded (see `places`, `codec`), or the store refuses (disk full,
                read-only).
        """

    def frames(self, after_seq: int = 0) -> Iterator[Frame]:
        """The frames with `last_seq > after_seq`, in order, until there are no more.

        Frames come whole: where `after_seq` lies inside a frame, that frame comes first and its
        rows up to `after_seq` are the caller's to skip. The iterator holds no frame but the one it
        yields, and no lock or transaction between two; frames appended meanwhile are included.

        Raises:
            LedgerError: `after_seq` is negative or beyond the end (a snapshot of another ledger?), or
                what follows it was dropped.
            CorruptFrame: a stored frame is damaged or missing.
        """

    def seq_of(self, transaction_key: int) -> int | None:
        """Seq of the newest transaction with this key (`keys.key_of` its id), or None."""

    def label_seqs(self, transaction_key: int) -> list[int]:
        """Seqs of the labels about this id, each label key once, in order.

        Where the id has come again, labels about the earlier transaction may be among them.
        """

    def known_labels(self, label_keys: Iterable[int]) -> dict[int, int]:
        """Those of the label keys that are stored, and where each came first.

        A label may be sent again and is recorded each time; its key stays at the first place, until
        that lies below the `reusable_before_seq` of an append that brings it again.
        """

    def publication_seq(self, version: int) -> int | None:
        """Seq of the published weights of this version, or None."""

    def frame_at(self, seq: int) -> Frame:
        """The frame that holds this seq.

        Raises:
            LedgerError: the ledger does not reach from `first_seq` to there.
        """

    @property
    def needed_from_seq(self) -> int:
        """Recovery may need what follows: the oldest place of the snapshots kept of engine and learner.

        Both of each are kept back, so that the older one can stand in for a damaged one.
        """

    def drop_before(self, seq: int, at_most_events: int = DROPPED_AT_ONCE) -> int:
        """Remove the oldest frames that end before `seq`, and what is indexed of them, durably.

        One call is one short commit, of about `at_most_events` (at least one frame), so that a running
        service is not held up: call again, with pauses, until nothing is left to remove. Keep a copy
        elsewhere first: what is dropped can be neither read nor replayed here. A file does not shrink,
        its room is used again. Where ids may still be repeated (`Engine.oldest_open_seq`), drop nothing:
        their first answers would be gone.

        Returns:
            How many events were removed; 0 when no frame ends before `seq`.

        Raises:
            LedgerError: `seq` is beyond `needed_from_seq`, or the ledger was opened read-only.
        """

    def save_snapshot(self, name: str, seq: int, arrays: Mapping[str, Column]) -> None:
        """Keep the state of the fold `name` as it is after event `seq`, durably.

        The newest `SNAPSHOTS_KEPT` of each name are kept; a second one at the same seq replaces the
        first. Readers may save too: a snapshot adds nothing to the ledger.

        Raises:
            LedgerError: `seq` is beyond `last_seq` or was dropped, the name is not usable, or the
                arrays cannot be encoded (see `snapshots`).
        """

    def latest_snapshot(
        self, name: str, at_most_seq: int | None = None
    ) -> tuple[int, dict[str, Column]] | None:
        """(seq, arrays) of the newest undamaged snapshot, None where there is none.

        A damaged one, and one of another history, is passed over, as an older snapshot (or none) and
        more of the ledger give the same state.
        """

    def close(self) -> None:
        """Give everything back. Closing twice does no harm."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def check_chain(frames: Sequence[Frame], last_seq: int) -> None:
    """Refuse frames that do not continue a ledger that ends at `last_seq`."""
    next_seq = last_seq + 1
    for frame in frames:
        if frame.first_seq != next_seq:
            raise StaleWriter(
                f"a frame begins at {frame.first_seq}, but the next seq is {next_seq}",
                field="first_seq",
                fix="read the ledger to its end, and append what follows",
            )
        next_seq = frame.last_seq + 1


def check_position(after_seq: int, first_seq: int, last_seq: int) -> None:
    """Refuse to read on from a place where the ledger never was, or no longer is."""
    if not 0 <= after_seq <= last_seq:
        raise LedgerError(
            f"{after_seq} is no position in a ledger that ends at {last_seq}",
            field="seq",
            fix="check that snapshot and ledger belong together",
        )
    check_not_dropped(after_seq + 1, first_seq)


def check_held(seq: int, first_seq: int, last_seq: int) -> None:
    """Refuse a seq that no frame holds."""
    if not 1 <= seq <= last_seq:
        raise LedgerError(f"no event {seq} in a ledger that ends at {last_seq}", field="seq")
    check_not_dropped(seq, first_seq)


def check_not_dropped(seq: int, first_seq: int) -> None:
    """Refuse a seq that was held once."""
    if seq < first_seq:
        raise LedgerError(
            f"the events before {first_seq} were archived and dropped",
            field=f"seq {seq}",
            fix="begin at a snapshot, or read the archive",
        )


def check_snapshot(name: str, seq: int, first_seq: int, last_seq: int) -> None:
    """Refuse a snapshot that could not be found again, or belongs to nothing that is held."""
    check_snapshot_name(name)
    check_position(seq, first_seq, last_seq)
    check_not_dropped(max(seq, 1), first_seq)


def check_snapshot_name(name: str) -> None:
    """Refuse a name that could not be a part of a file name."""
    if not _SNAPSHOT_NAME.fullmatch(name):
        raise LedgerError(
            f"{name!r} is no name of a snapshot",
            field="name",
            fix="at most 64 lower-case letters, digits and underscores, a letter first",
        )


def needed_from(kept: Callable[[str], Sequence[int]], first_seq: int) -> int:
    """See `Ledger.needed_from_seq`; `kept` gives the places of the snapshots of a name."""
    places = [kept(name) for name in _RECOVERED]
    return max(first_seq, min(map(min, places))) if all(places) else first_seq


def check_droppable(seq: int, needed_from_seq: int) -> None:
    """Refuse to drop what recovery may need."""
    if seq > needed_from_seq:
        raise LedgerError(
            f"recovery may need the events from {needed_from_seq} on",
            field=f"seq {seq}",
            fix="save newer snapshots of engine and learner, two of each",
        )


def repeated_transaction() -> LedgerError:
    """The error for a key that would be stored twice."""
    return LedgerError(
        "a transaction is in the ledger already, or twice among these frames; nothing was stored",
        field="transaction.transaction_key",
        fix="answer a repeated id from the stored decision (`seq_of`, `frame_at`)",
    )
