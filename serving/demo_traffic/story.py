"""What is to be sent, in which order: the simulator's messages as requests."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from fraud_system.events import DAY_US, SECOND_US, Arrivals, Column, Kind
from fraud_system.schema import SOURCES
from fraud_system.simulate import SCENARIOS, Traffic, simulate
from serving.wire import Label

WEEK_US: Final = 7 * DAY_US
# Rows of one request become known together; the first of them waits at most this long for the last.
BATCH_SPAN_US: Final = 3_600 * SECOND_US
# Nothing is sent while an unanswered request is this much older. Together with BATCH_SPAN_US it must be well
# below limits.max_lateness_s of the schema (a day), or the service would refuse transactions as too late.
IN_FLIGHT_US: Final = 2 * 3_600 * SECOND_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Request:
    """Rows that are sent together: transactions or reports.

    Args:
        first_us: simulated known time of the first row, microseconds since 1970.
        known_us: of the last row, from which on the request can be sent.
        transactions: by the names of the schema; empty if these are reports.
        labels: the reports.
    """

    first_us: int
    known_us: int
    transactions: list[dict[str, Any]]
    labels: list[Label]

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.transactions) + len(self.labels)


class Story:
    """One run of the simulator, moved by whole weeks.

    Args:
        days, seed: of the scenario "demo".
        after_us: the run begins later than this, and not before the scenario does.
        all_reports: also those that are due after the last transaction.

    `run` begins every id; `begins_us` is its first midnight, `ends_us` its last transaction; `transactions`
    and `labels` are how many will be sent, `left_out` how many reports will not.
    """

    def __init__(
        self, days: int, seed: int, after_us: int = 0, *, all_reports: bool = False
    ) -> None:
        scenario = replace(SCENARIOS["demo"], days=days)
        self._traffic: Traffic = simulate(scenario, seed)
        self._shift_us = weeks_between(scenario.start_us, after_us) * WEEK_US
        self.begins_us = scenario.start_us + self._shift_us
        self.run = f"{moment(self.begins_us):%Y%m%d}-{seed}"
        transactions, labels = self._traffic.transactions, self._traffic.labels
        self.ends_us = int(transactions.known_time_us[-1]) + self._shift_us
        due = len(labels)
        if not all_reports:
            last_us = transactions.known_time_us[-1]
            due = int(np.searchsorted(labels.known_time_us, last_us, side="right"))
        self.left_out = len(labels) - due
        self._arrivals = Arrivals.merge(transactions, labels.rows(slice(0, due)))
        self._known_us = self._arrivals.known_time_us
        self.transactions, self.labels = len(transactions), due

    def requests(self, batch_rows: int) -> Iterator[Request]:
        """The run in order of known time, in requests of at most so many rows.

        Of the rows that are sent together the reports come first.
        """
        start, known_us = 0, self._known_us
        while start < len(known_us):
            in_span = np.searchsorted(known_us, known_us[start] + BATCH_SPAN_US, side="right")
            stop = min(start + batch_rows, int(in_span))
            for kind in (Kind.LABEL, Kind.TRANSACTION):
                places = start + np.flatnonzero(self._arrivals.kind[start:stop] == kind)
                if len(places):
                    yield self._request(kind, places)
            start = stop

    def _request(self, kind: Kind, places: Column) -> Request:
        known_us = self._known_us[places] + self._shift_us
        rows = self._arrivals.row[places].tolist()
        is_label = kind == Kind.LABEL
        return Request(
            int(known_us[0]),
            int(known_us[-1]),
            [] if is_label else [self._transaction(each) for each in rows],
            [self._label(each) for each in rows] if is_label else [],
        )

    def _transaction(self, row: int) -> dict[str, Any]:
        table = self._traffic.transactions
        return {
            "transaction_id": self._id(table.transaction_id[row]),
            "event_time": moment(int(table.event_time_us[row]) + self._shift_us),
            "amount": float(table.amount[row]),
            "card": self._traffic.card[row].decode(),
            "terminal": self._traffic.terminal[row].decode(),
            "channel": self._traffic.channel[row].decode(),
        }

    def _label(self, row: int) -> Label:
        """A report with an id of its own, so that a second report is not taken for a repetition."""
        table = self._traffic.labels
        return Label(
            transaction_id=self._id(table.transaction_id[row]),
            is_fraud=bool(table.is_fraud[row]),
            source=SOURCES[table.source[row]],
            label_id=f"{self.run}-report-{row}",
        )

    def _id(self, name: bytes) -> str:
        return f"{self.run}-{name.decode()}"


def weeks_between(start_us: int, after_us: int) -> int:
    """How many whole weeks `start_us` has to be moved to lie after `after_us`.

    >>> weeks_between(0, 0), weeks_between(0, WEEK_US - 1), weeks_between(WEEK_US, 0)
    (1, 1, 0)
    """
    return max((after_us - start_us) // WEEK_US + 1, 0)


def moment(time_us: int) -> datetime:
    """Microseconds since 1970 as a datetime.

    >>> moment(1_500_000).isoformat()
    '1970-01-01T00:00:01.500000+00:00'
    """
    return _EPOCH + timedelta(microseconds=time_us)


def time_us(time: datetime) -> int:
    """The inverse of `moment`.

    >>> time_us(moment(1_500_000))
    1500000
    """
    return (time - _EPOCH) // timedelta(microseconds=1)
