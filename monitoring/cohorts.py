"""What should have been reported by now, and what was: the books that all monitors of labels read.

Time (the known one) is cut into stretches of `cohort_s`, and the transactions of a stretch are a cohort.
No message says "legitimate", so that a transaction without a report tells little while it is young.
With p its probability and F the law of the delays of reports (`fraud_system.delay_law`), a cohort should
bring, in the stretch k after its own,

    expected = sum of p x (F_k - F_(k-1)),     F_k: F at the cohort's mean age at the end of that stretch,

whether its labels are in or not. A report counts in the stretch in which it came. A later reversal takes
nothing back: a reversed report was a report.

The books begin with the first transaction. At the end of each stretch they are closed, and what happened in
it goes to the monitors as one `Stretch`. It depends on the events alone, never on how they were cut into
frames: sums are taken row by row.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.delay_law import DelayLaw
from fraud_system.errors import ArtefactError
from fraud_system.events import DAY_US, SECOND_US, Frame, Table
from fraud_system.labels import LabelSettings
from monitoring.cohort_sums import (
    COHORT_SUMS,
    LIKELIHOODS,
    MATURED_SUMS,
    OUT_OF_PLACE,
    REPORTED,
    add_matured,
    add_transactions,
    matured_of,
)
from monitoring.dispersion import Dispersion, DispersionSettings
from monitoring.open_rows import OpenRows
from monitoring.stretch import CohortSettings, Expected, Matured, Stretch

Floats = NDArray[np.float64]
CLOCKS = ("transaction", "label", "tick", "resolved", "dead_letter")  # tables with known times
PROBABILITIES = ("probability_model", "probability_heuristic", "probability_constant")
NOT_BEGUN = -1
LAW_US = 4 * DAY_US  # how often the law of delays is asked for anew


class Cohorts:
    """The books.

    Args:
        settings: see `CohortSettings`.
        labels: the joiner's clocks.
        entities: keys of a transaction.
        dispersion: see `DispersionSettings`.
    """

    def __init__(
        self,
        settings: CohortSettings,
        labels: LabelSettings,
        entities: int,
        dispersion: DispersionSettings,
    ) -> None:
        self.settings = settings
        self.cohort_us = settings.cohort_s * SECOND_US
        self.horizon_us = labels.horizon_s * SECOND_US
        # One stretch more than the maturity, as something matures with the first event after it.
        self.mature_after = -(-labels.maturity_s // settings.cohort_s) + 2
        self.law = DelayLaw(labels)
        self.dispersion = Dispersion(dispersion, entities)
        self.rows = OpenRows(
            {"seq": np.int64, "amount": np.float32, "action": np.uint8}
            | dict.fromkeys(PROBABILITIES, np.float32)
            | {"cluster": (np.int32, entities)}
        )
        self.size = -(-self.horizon_us // self.cohort_us) + 2
        self._sums = np.zeros((self.size, COHORT_SUMS))  # row: number of the stretch % size
        self._matured = np.zeros((self.size, MATURED_SUMS))
        self._matured[:, LIKELIHOODS:] = 1.0
        self._share = np.zeros(self.size)  # by age in stretches
        self._number = self._first = NOT_BEGUN
        self._messages = self._resolved = self._law_number = 0
        self._cut_off = np.nan
        self._amounts = np.zeros(0)
        # Of the stretch that is not over, in pieces (m, 3): transaction's and report's time, mark.
        self._reports: list[Floats] = []

    @property
    def judged_from_us(self) -> int | None:
        """Known time from which reports are judged; None before the first event."""
        return None if self._first == NOT_BEGUN else self._judged_from * self.cohort_us

    @property
    def _judged_from(self) -> int:
        return self._first + -(-self.settings.warm_up_s // self.settings.cohort_s)

    def take(self, frame: Frame) -> Iterator[Stretch]:
        """Read the next frame; yields each stretch that is over, when its books are complete.

        Raises:
            ArtefactError: a label is about a transaction that was not read, or not in its place.
        """
        tables = {name: frame.tables[name] for name in CLOCKS if name in frame.tables}
        if not tables:
            return
        known = {name: table["known_time_us"] for name, table in tables.items()}
        place, opened = dict.fromkeys(tables, 0), 0
        if self._number == NOT_BEGUN:
            if "transaction" not in tables:
                return
            place = self._begin_at(tables)
        last_us = max(int(each[-1]) for each in known.values())
        while True:
            end_us = (self._number + 1) * self.cohort_us
            is_over = last_us >= end_us
            after = {
                name: int(np.searchsorted(each, end_us)) if is_over else len(each)
                for name, each in known.items()
            }
            if after.get("transaction", 0) > opened:
                opened = self._open(frame, opened)
            self._add(frame, {name: (place[name], after[name]) for name in tables})
            if not is_over:
                return
            place = after
            yield self._close(
                min(
                    int(table["seq"][after[name]])
                    for name, table in tables.items()
                    if after[name] < len(table["seq"])
                )
            )

    def _begin_at(self, tables: dict[str, Table]) -> dict[str, int]:
        """Begin with the first transaction; returns the rows of each table that come after it.

        A server that waits for its traffic has nothing to learn from, so that its ticks warm nothing up.
        """
        first = tables["transaction"]
        self._first = self._number = int(first["known_time_us"][0]) // self.cohort_us
        seq = int(first["seq"][0])
        return {name: int(np.searchsorted(each["seq"], seq)) for name, each in tables.items()}

    def _open(self, frame: Frame, start: int) -> int:
        """Keep transactions from `start` for their labels, those of one block of the dispersion at a time.

        Returns the first that is not kept yet: a new block changes the dispersion, which the stretches before
        it must not see.
        """
        transactions, decisions = frame.tables["transaction"], frame.tables["decision"]
        known_us, block_us = transactions["known_time_us"], self.dispersion.block_us
        block = int(known_us[start]) // block_us
        stop = int(np.searchsorted(known_us, (block + 1) * block_us))
        rows = slice(start, stop)
        model, keys = decisions["probability_model"][rows], transactions["entity_keys"][rows]
        amount = transactions["amount"][rows]
        self.rows.append(
            {
                "seq": transactions["seq"][rows],
                "amount": amount,
                "action": decisions["action"][rows],
                "cluster": self.dispersion.take(block, keys, model),
            }
            | {name: decisions[name][rows] for name in PROBABILITIES}
        )
        return stop

    def _add(self, frame: Frame, rows: dict[str, tuple[int, int]]) -> None:
        start, stop = rows.get("transaction", (0, 0))
        if start < stop:
            amount = frame.tables["transaction"]["amount"]
            decisions = frame.tables["decision"]
            if np.isnan(self._cut_off):
                last = min(stop, start + self.settings.amount_sample - len(self._amounts))
                self._amounts = np.concatenate([self._amounts, amount[start:last]])
            add_transactions(
                self._sums[self._number % self.size],
                decisions["probability_model"],
                amount,
                decisions["action"],
                self._cut_off,
                start,
                stop,
            )
        start, stop = rows.get("label", (0, 0))
        self._messages += stop - start
        start, stop = rows.get("resolved", (0, 0))
        if start < stop:
            self._add_resolved(frame.tables["resolved"], start, stop)

    def _add_resolved(self, resolved: Table, start: int, stop: int) -> None:
        self._resolved += stop - start
        held = resolved["ordinal"][start:stop] >= self.rows.head
        if not held.all():
            # After a silence as long as the horizon: what ripened in it comes after its books were closed.
            resolved = {name: column[start:stop][held] for name, column in resolved.items()}
            start, stop = 0, int(held.sum())
        self.rows.check(resolved["ordinal"], start, stop)
        report = np.empty(stop - start, np.int64)
        reports = add_matured(
            self._matured,
            self.cohort_us,
            resolved["ordinal"],
            resolved["resolution"],
            resolved["transaction_time_us"],
            resolved["transaction_seq"],
            start,
            stop,
            *(self.rows.ring(name) for name in ("seq", "amount", "action", *PROBABILITIES)),
            report,
        )
        if reports == OUT_OF_PLACE:
            raise ArtefactError(
                "a label is about a transaction that is not in its place", field="resolved.ordinal"
            )
        if reports:
            self._take_reports(resolved, report[:reports])

    def _take_reports(self, resolved: Table, report: NDArray[np.int64]) -> None:
        ordinal, happened_us = resolved["ordinal"][report], resolved["transaction_time_us"][report]
        model = self.rows.column("probability_model", ordinal)
        mark = np.minimum(self.rows.column("amount", ordinal) / self._cut_off, 1.0)
        mark[~np.isfinite(model)] = np.nan
        columns = happened_us, resolved["known_time_us"][report], mark
        self._reports.append(np.stack(columns, axis=1))
        self.dispersion.report(
            happened_us // self.dispersion.block_us, self.rows.column("cluster", ordinal), model
        )

    def _close(self, seq: int) -> Stretch:
        """The stretch that is over, as a value; begins the next one."""
        number, end_us = self._number, (self._number + 1) * self.cohort_us
        happened_us, known_us, mark = self._all_reports().T
        times_us = happened_us.astype(np.int64), known_us.astype(np.int64)
        if len(mark):
            self.law.observe(*times_us)
        # The law moves slowly, and asking for it costs as much as all else together.
        if end_us % LAW_US < self.cohort_us or not self._share.any():
            self._share = self._shares(end_us)
            self._law_number += 1
        cohort = np.arange(max(self._first, number - self.size + 1), number + 1)
        rows, risk, money, *others, reported = self._sums[cohort % self.size].T
        judged_from = self._judged_from
        stretch = Stretch(
            number=number,
            cohort_us=self.cohort_us,
            seq=seq,
            judged_from=judged_from,
            transactions=int(rows[-1]),
            messages=self._messages,
            resolved=self._resolved,
            cohort=cohort,
            rows=rows,
            risk=risk,
            share=self._share[number - cohort],
            law=self._share,
            law_number=self._law_number,
            reported=reported,
            money=money,
            report_cohort=times_us[0] // self.cohort_us,
            report_mark=mark,
            dispersion=self.dispersion.of_model,
            rate_dispersion=self.dispersion.of_rate,
            expected=Expected(rows[-1], *(float(each[-1]) for each in others)),
            matured=self._just_matured(number, judged_from),
        )
        about = stretch.report_cohort
        np.add.at(self._sums[:, REPORTED], about[about >= cohort[0]] % self.size, 1.0)
        self._begin()
        return stretch

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        clock = self._number, self._first, self._messages, self._resolved, self._law_number
        arrays: dict[str, NDArray[Any]] = {
            "clock": np.array(clock, np.int64),
            "sums": self._sums.copy(),
            "matured": self._matured.copy(),
            "share": self._share.copy(),
            "cut_off": np.array([self._cut_off]),
            "amounts": self._amounts.copy(),
            "reports": self._all_reports(),
        }
        arrays |= {f"law.{name}": array for name, array in self.law.to_arrays().items()}
        arrays |= {f"rows.{name}": array for name, array in self.rows.to_arrays().items()}
        return arrays | {f"dispersion.{n}": a for n, a in self.dispersion.to_arrays().items()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self._number, self._first, self._messages, self._resolved, self._law_number = arrays[
            "clock"
        ].tolist()
        self._sums[:], self._matured[:] = arrays["sums"], arrays["matured"]
        self._share = arrays["share"].copy()
        self._cut_off, self._amounts = float(arrays["cut_off"][0]), arrays["amounts"].copy()
        self._reports = [arrays["reports"].copy()]
        for name, part in (("law", self.law), ("rows", self.rows), ("dispersion", self.dispersion)):
            cut = len(name) + 1
            part.restore({n[cut:]: a for n, a in arrays.items() if n.startswith(name + ".")})

    def _all_reports(self) -> Floats:
        """(m, 3); microseconds are whole numbers far below 2^53, so they are exact."""
        return np.concatenate([np.zeros((0, 3)), *self._reports])

    def _just_matured(self, number: int, judged_from: int) -> Matured | None:
        mature = number - self.mature_after
        if mature < judged_from:
            return None
        return matured_of(self._matured[mature % self.size])

    def _begin(self) -> None:
        self._number += 1
        # The place of a cohort that is older than the horizon: no label can be about it any more.
        self.rows.forget(int(self._sums[self._number % self.size, 0]))
        self._sums[self._number % self.size] = 0.0
        self._matured[self._number % self.size, :LIKELIHOODS] = 0.0
        self._matured[self._number % self.size, LIKELIHOODS:] = 1.0
        self._messages = self._resolved = 0
        self._reports = []
        if np.isnan(self._cut_off) and len(self._amounts) == self.settings.amount_sample:
            quantile = np.quantile(self._amounts, self.settings.amount_quantile)
            self._cut_off = max(float(quantile), np.finfo(np.float64).tiny)
            self._amounts = np.zeros(0)

    def _shares(self, now_us: int) -> Floats:
        """(size,) of all reports, those that come in the stretch so many after the cohort's own."""
        ages_us = np.arange(2 * self.size + 1) * (self.cohort_us / 2.0)
        edges_us = np.concatenate([[0.0], self.law.edges_us])
        known = np.interp(ages_us, edges_us, np.append(0.0, self.law.distribution(now_us)))
        # Ages within a cohort are even: Simpson's rule.
        mean = (known[:-2:2] + 4.0 * known[1:-1:2] + known[2::2]) / 6.0
        return np.diff(mean, prepend=0.0)
