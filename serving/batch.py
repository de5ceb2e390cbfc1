"""One cycle's micro-batch: which rows are folded, and who asked for each.

Rows keep the order of their lines: single transactions first, then rows of bulks. Of two reports with one id
in one slice the second is not folded; it is answered as the first is, or refused if it says something else.
"""

from dataclasses import dataclass, field

from fraud_system.events import Transactions
from serving.columns import TransactionColumns
from serving.problems import Problem
from serving.waiting import Bulk, Slice
from serving.wire import Decision, Label


@dataclass
class Reports:
    """The reports of a slice that are not on record.

    Args:
        sent: those to be folded.
        asked: (bulk, position in it, row of `sent`, whether it says the same as that row).
    """

    sent: list[Label] = field(default_factory=list)
    asked: list[tuple[Bulk, int, int, bool]] = field(default_factory=list)
    _row_of: dict[int, int] = field(default_factory=dict)

    def add(self, bulk: Bulk, at: int, label_key: int) -> None:
        """Take row `at` of a bulk of reports."""
        sent: Label = bulk.rows[at]
        row = self._row_of.setdefault(label_key, len(self.sent))
        if row == len(self.sent):
            self.sent.append(sent)
        first = self.sent[row]
        same = (first.transaction_id, first.is_fraud, first.source) == (
            sent.transaction_id,
            sent.is_fraud,
            sent.source,
        )
        self.asked.append((bulk, at, row, same))


class Batch:
    """The transactions of a slice, in one order.

    Args:
        taken: the slice.
        reports: of it.
    """

    def __init__(self, taken: Slice, reports: Reports) -> None:
        self.reports = reports
        self.tick = taken.tick
        self.arrived_s = [single.arrived_s for single in taken.singles]
        self._singles = taken.singles
        self._pieces = taken.bulks
        self._places = [
            (bulk, position) for bulk, start, stop in taken.bulks for position in range(start, stop)
        ]

    def columns(self, maker: TransactionColumns, known_time_us: int) -> Transactions | None:
        """Columns of all of them; None if there are none."""
        parts = [
            bulk.rows.columns(start, stop, known_time_us) for bulk, start, stop in self._pieces
        ]
        if self._singles:
            rows = [single.row for single in self._singles]
            parts.insert(0, maker.columns(rows, known_time_us))
        if len(parts) <= 1:
            return parts[0] if parts else None
        return Transactions.join(parts)

    def settle(self, row: int, answer: Decision | Problem) -> None:
        """Answer whoever asked for a row."""
        if row < len(self._singles):
            self._singles[row].settle(answer)
        else:
            bulk, position = self._places[row - len(self._singles)]
            bulk.settle(position, answer)
