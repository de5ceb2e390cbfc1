"""What every ledger promises, and the checks that all of them make.

The engine appends; learner, monitor, replay and recovery read. A ledger knows nothing of what the
events mean, but for the table `transaction`, whose ids it indexes.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import LedgerError, StaleWriter
from fraud_system.events import Column, Frame

SNAPSHOTS_KEPT = 2


class Ledger(Protocol):
    """An append-only sequence of frames, an index of transactions, and snapshots of folds.

    Seqs begin at 1 and have no gaps. One process writes. A ledger may be used by several threads of
    its process: calls take turns. Arrays that come out are read-only. After `close` every call but
    `close` raises LedgerError.
    """

    @property
    def last_seq(self) -> int:
        """Seq of the last stored event; 0 when there is none."""

    def append(self, frames: Sequence[Frame]) -> None:
        """Store the frames in one durable commit, all of them or none. No frames: nothing happens.

        Raises:
            StaleWriter: the first does not begin at `last_seq + 1`, or two of them do not touch.
            LedgerError: a transaction key is stored already or comes twice, a frame cannot be
                encoded (see `codec`), or the store refuses (disk full, read-only).
        """

    def frames(self, after_seq: int = 0) -> Iterator[Frame]:
        """The frames with `last_seq > after_seq`, in order, until there are no more.

        Frames come whole: where `after_seq` lies inside a frame, that frame comes first and its
        rows up to `after_seq` are the caller's to skip. The iterator holds no frame but the one it
        yields, and no lock or transaction between two; frames appended meanwhile are included.

        Raises:
            LedgerError: `after_seq` is negative or beyond the end (a snapshot of another ledger?).
            CorruptFrame: a stored frame is damaged or missing.
        """

    def seq_of(self, transaction_key: int) -> int | None:
        """Seq of the transaction with this key (`keys.key_of` its id), or None."""

    def frame_at(self, seq: int) -> Frame:
        """The frame that holds this seq.

        Raises:
            LedgerError: the ledger does not reach from 1 to there.
        """

    def save_snapshot(self, name: str, seq: int, arrays: Mapping[str, Column]) -> None:
        """Keep the state of the fold `name` as it is after event `seq`, durably.

        The newest `SNAPSHOTS_KEPT` of each name are kept; a second one at the same seq replaces the
        first. A snapshot is one record: at most `codec.MAX_FRAME_BYTES`.

        Raises:
            LedgerError: `seq` is beyond `last_seq`, or the arrays cannot be encoded.
        """

    def latest_snapshot(
        self, name: str, at_most_seq: int | None = None
    ) -> tuple[int, dict[str, Column]] | None:
        """(seq, arrays) of the newest undamaged snapshot, None where there is none.

        A damaged one is passed over, as an older snapshot (or none) and more of the ledger give the
        same state.
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


def check_position(after_seq: int, last_seq: int) -> None:
    """Refuse to read on from a place where the ledger never was."""
    if not 0 <= after_seq <= last_seq:
        raise LedgerError(
            f"{after_seq} is no position in a ledger that ends at {last_seq}",
            field="seq",
            fix="check that snapshot and ledger belong together",
        )


def check_held(seq: int, last_seq: int) -> None:
    """Refuse a seq that no frame holds."""
    if not 1 <= seq <= last_seq:
        raise LedgerError(f"no event {seq} in a ledger that ends at {last_seq}", field="seq")


def transaction_places(frames: Sequence[Frame]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Keys and seqs of the transactions in the frames, as two arrays of equal length.

    Raises:
        LedgerError: the columns have other types, or a seq lies outside its frame.
    """
    keys, seqs = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    for frame in frames:
        table = frame.tables.get("transaction")
        if table is None:
            continue
        key, seq = table.get("transaction_key"), table["seq"]
        if key is None or key.ndim != 1 or key.dtype != np.uint64 or seq.dtype != np.int64:
            raise LedgerError(
                "transactions need a uint64 key and an int64 seq each",
                field="transaction.transaction_key",
                fix="make keys with `keys.keys_of`",
            )
        if len(seq) and not frame.first_seq <= seq.min() <= seq.max() <= frame.last_seq:
            raise LedgerError("a seq lies outside its frame", field="transaction.seq")
        keys.append(key)
        seqs.append(seq)
    return np.concatenate(keys), np.concatenate(seqs)


def repeated_transaction() -> LedgerError:
    """The error for a key that would be stored twice."""
    return LedgerError(
        "a transaction is in the ledger already, or twice among these frames; nothing was stored",
        field="transaction.transaction_key",
        fix="answer a repeated id from the stored decision (`seq_of`, `frame_at`)",
    )
