"""Look-ups: what the ledger holds about one transaction, one report or one version of the weights.

They read through a handle of their own, in a thread of their own, so a look-up never waits in front of a
commit.
"""

from fraud_system.engine import Engine
from fraud_system.events import Frame, Table
from fraud_system.labels import Outcome
from fraud_system.ledger import Ledger
from fraud_system.publication import Publication
from serving.answers import (
    Answers,
    InForce,
    known_label,
    receipt,
    same_content,
)
from serving.problems import Problem
from serving.wire import Decision, Explanation, Label, LabelReceipt

MAX_VERSIONS_KEPT = 8
MAX_LABELS_SHOWN = 100


class Records:
    """What is on record, as answers.

    Args:
        ledger: to read; may be a read-only handle.
        engine: for the arrays that all versions of the weights share.
        answers: makes the answers.
    """

    def __init__(self, ledger: Ledger, engine: Engine, answers: Answers) -> None:
        self._ledger = ledger
        self._engine = engine
        self._answers = answers
        self._versions: dict[int, InForce | None] = {}

    def in_force(self, version: int) -> InForce | None:
        """The weights of a version; None where they are not on record (any more)."""
        if version not in self._versions:
            seq = self._ledger.publication_seq(version)
            found = None
            if seq is not None:
                frame = self._ledger.frame_at(seq)
                publication = Publication.from_table(frame.tables["published"])
                found = InForce(self._engine.served_with(publication), frame.known_time_us)
            while len(self._versions) >= MAX_VERSIONS_KEPT:
                del self._versions[next(iter(self._versions))]
            self._versions[version] = found
        return self._versions[version]

    def first_answer(self, transaction_key: int, sent: Table, row: int) -> Decision | Problem:
        """The answer that this transaction was given before; a 409 if it was sent with other content."""
        found = self._transaction(transaction_key)
        if found is None:
            return Problem(
                503, "the first answer cannot be found now", fix="send it again", retry_after_s=1
            )
        transaction, decision = found
        if not same_content(sent, row, transaction, 0):
            return Problem(
                409,
                "this id was used before, with other content",
                field="transaction_id",
                fix="give each transaction an id of its own; to repeat one, send the same content",
            )
        return self._decision(transaction, decision)

    def explanation(self, transaction_key: int, status: str | None) -> Explanation | None:
        """Everything on record about a transaction; None if there is none."""
        found = self._transaction(transaction_key)
        if found is None:
            return None
        transaction, decision = found
        return self._answers.explanation(
            transaction,
            decision,
            self.in_force(int(decision["weights_version"][0])),
            [
                known_label(*self._label(seq))
                for seq in self._ledger.label_seqs(transaction_key)[:MAX_LABELS_SHOWN]
            ],
            status,
            self._decision(transaction, decision),
        )

    def repeated_labels(self, columns: Table, oldest_open_seq: int) -> dict[int, int]:
        """Keys of those reports that are on record, with their seqs.

        A report is no repetition if it was about an earlier transaction with the same id, which has been
        forgotten since.
        """
        known = self._ledger.known_labels(columns["label_key"])
        return {
            key: seq
            for key, about in zip(
                columns["label_key"].tolist(), columns["transaction_key"].tolist(), strict=True
            )
            if (seq := known.get(key, 0)) >= oldest_open_seq and self._counts(seq, about)
        }

    def _counts(self, label_seq: int, transaction_key: int) -> bool:
        seq = self._ledger.seq_of(transaction_key)
        if seq is None or seq < label_seq:
            return True
        table, row = self._label(label_seq)
        return int(table["outcome"][row]) == Outcome.PARKED

    def first_receipt(
        self, seq: int, sent: Label, columns: Table, row: int
    ) -> LabelReceipt | Problem:
        """The receipt that this report was given before; a 409 if it was sent with other content."""
        table, at = self._label(seq)
        same = all(
            table[name][at] == columns[name][row]
            for name in ("transaction_key", "is_fraud", "source")
        )
        return receipt(sent, table, at) if same else other_label_content()

    def _decision(self, transaction: Table, decision: Table) -> Decision:
        in_force = self.in_force(int(decision["weights_version"][0]))
        if in_force is None:
            raise Problem(503, "the weights of this answer cannot be found now", retry_after_s=1)
        return self._answers.decisions(transaction, decision, in_force)[0]

    def _transaction(self, transaction_key: int) -> tuple[Table, Table] | None:
        """The rows of the tables `transaction` and `decision`, as tables of one row."""
        seq = self._ledger.seq_of(transaction_key)
        if seq is None:
            return None
        frame = self._ledger.frame_at(seq)
        row = _row_of(frame, "transaction", seq)
        cut = slice(row, row + 1)
        return (
            {name: column[cut] for name, column in frame.tables["transaction"].items()},
            {name: column[cut] for name, column in frame.tables["decision"].items()},
        )

    def _label(self, seq: int) -> tuple[Table, int]:
        frame = self._ledger.frame_at(seq)
        return frame.tables["label"], _row_of(frame, "label", seq)


def other_label_content() -> Problem:
    """The refusal of a report whose id was used for another one."""
    return Problem(
        409,
        "this label id was used before, with other content",
        field="label_id",
        fix="give each report an id of its own; to repeat one, send the same content",
    )


def _row_of(frame: Frame, name: str, seq: int) -> int:
    return int(frame.tables[name]["seq"].searchsorted(seq))
