"""What should have been reported by now, and what was: the books that all monitors of labels read.

Time (the known one) is cut into stretches of `cohort_s`, and the transactions of a stretch are a cohort.
No message says "legitimate", so that a transaction without a report tells little while it is young.
With p its probability and F the law of the delays of reports (`fraud_system.delay_law`), a cohort should
bring, in the stretch k after its own,

    expected = sum of p x (F_k - F_(k-1)),     F_k: F at the cohort's mean age at the end of that stretch,

whether its labels are in or not. A report counts in the stretch in which it came. A later reversal takes
nothing back: a reversed report was a report.

At the end of each stretch the books are closed, and what happened in it goes to the monitors as one
`Stretch`. It depends on the events alone, never on how they were cut into frames.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.delay_law import DelayLaw
from fraud_system.errors import ArtefactError, ConfigError
from fraud_system.events import DAY_US, SECOND_US, Frame, Resolution, Table
from fraud_system.labels import LabelSettings
from fraud_system.setting_checks import check_positive
from monitoring.compiled import borrowing
from monitoring.dispersion import Dispersion, DispersionSettings
from monitoring.open_rows import OpenRows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
REPORTS = (int(Resolution.FRAUD), int(Resolution.LATE_FRAUD))
ROWS, RISK, MONEY = range(3)  # places in the sums of a cohort
SUMS = 3
CLOCKS = ("transaction", "label", "tick", "resolved", "dead_letter")  # tables with known times
NOT_BEGUN = -1


@dataclass(frozen=True)
class CohortSettings:
    """Args:
        cohort_s: length of a stretch, seconds.
        warm_up_s: after the first event, how long nothing is judged: the model and the law of delays
            begin by knowing nothing.
        amount_sample: of the first so many amounts,
        amount_quantile: this quantile is where money is cut off: an amount counts as its share of it, at
            most 1, so that no single payment decides.

    Raises:
        ConfigError: a number is out of range.
    """

    cohort_s: int = 6 * 3_600
    warm_up_s: int = 30 * 86_400
    amount_sample: int = 10_000
    amount_quantile: float = 0.99

    def __post_init__(self) -> None:
        check_positive("cohorts", zero_or_more="warm_up_s", **asdict(self))
        if self.amount_quantile >= 1.0:
            raise ConfigError("is a share below 1", field="cohorts.amount_quantile")


@dataclass(frozen=True)
class Stretch:
    """What happened in one stretch; cohorts are named by the number of their stretch.

    Args:
        number: of the stretch: its start / `cohort_us`.
        cohort_us: its length.
        seq: of the first event after it.
        judged_from: number of the first cohort that may be judged.
        transactions: of this cohort.
        messages: label messages that came.
        cohort: (c,) every cohort whose labels may still come, oldest first; this one is the last.
        rows: (c,) transactions in each.
        risk: (c,) sum of the model's probabilities.
        share: (c,) of all reports that ever come, those that should have come in this stretch.
        money: (c,) sum of probability x mark, the mark being an amount as a share of the cut-off.
        report_cohort, report_mark: (m,) reports, in the order in which they came; nan marks where the
            model had no probability.
        dispersion, rate_dispersion: see `Dispersion`.
    """

    number: int
    cohort_us: int
    seq: int
    judged_from: int
    transactions: int
    messages: int
    cohort: Ints
    rows: Floats
    risk: Floats
    share: Floats
    money: Floats
    report_cohort: Ints
    report_mark: Floats
    dispersion: float = 1.0
    rate_dispersion: float = 1.0

    @property
    def end_us(self) -> int:
        """Its end."""
        return (self.number + 1) * self.cohort_us

    @property
    def expected_reports(self) -> float:
        """In this stretch, by the model's probabilities."""
        return float((self.risk * self.share).sum())


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
        size = -(-self.horizon_us // self.cohort_us) + 2
        self.law = DelayLaw(labels)
        self.dispersion = Dispersion(dispersion, entities)
        self.rows = OpenRows(
            {
                "known_us": np.int64,
                "seq": np.int64,
                "probability": np.float64,
                "amount": np.float64,
                "cluster": (np.int32, entities),
            }
        )
        self._sums = np.zeros((SUMS, size))  # by stretch number % size
        self._now = np.zeros(SUMS)  # of the stretch that is not over
        self._share = np.zeros(size)  # by age in stretches
        self._number = self._first = NOT_BEGUN
        self._messages = 0
        self._cut_off = np.nan
        self._amounts = np.zeros(0)
        self._reports: list[tuple[int, float]] = []
        self._delays: list[tuple[int, int]] = []

    def take(self, frame: Frame) -> Iterator[Stretch]:
        """Read the next frame; yields each stretch that is over, when its books are complete."""
        tables = {name: frame.tables[name] for name in CLOCKS if name in frame.tables}
        if not tables:
            return
        place = dict.fromkeys(tables, 0)
        first_us = min(int(table["known_time_us"][0]) for table in tables.values())
        last_us = max(int(table["known_time_us"][-1]) for table in tables.values())
        if self._number == NOT_BEGUN:
            self._number = self._first = first_us // self.cohort_us
        while True:
            end_us = (self._number + 1) * self.cohort_us
            after = {
                name: int(np.searchsorted(table["known_time_us"], end_us))
                for name, table in tables.items()
            }
            self._add(frame, {name: slice(place[name], after[name]) for name in tables})
            if last_us < end_us:
                return
            place = after
            seq = min(
                int(table["seq"][after[name]])
                for name, table in tables.items()
                if after[name] < len(table["seq"])
            )
            yield self._close(seq)

    def _add(self, frame: Frame, rows: dict[str, slice]) -> None:
        if "transaction" in rows and rows["transaction"].start < rows["transaction"].stop:
            picked = rows["transaction"]
            transactions = {n: c[picked] for n, c in frame.tables["transaction"].items()}
            self._transactions(transactions, frame.tables["decision"]["probability_model"][picked])
        if "label" in rows:
            self._messages += rows["label"].stop - rows["label"].start
        if "resolved" in rows:
            resolved, picked = frame.tables["resolved"], rows["resolved"]
            is_report = np.isin(resolved["resolution"][picked], REPORTS)
            if is_report.any():
                self._take_reports({n: c[picked][is_report] for n, c in resolved.items()})

    def _transactions(self, transactions: Table, model: Floats) -> None:
        amount = transactions["amount"]
        if np.isnan(self._cut_off):
            missing = self.settings.amount_sample - len(self._amounts)
            self._amounts = np.concatenate([self._amounts, amount[:missing]])
        block = self.dispersion.block_of(int(transactions["known_time_us"][0]))
        known = np.where(np.isfinite(model), model, 0.0)
        cluster = self.dispersion.take(block, transactions["entity_keys"], known)
        self.rows.append(
            {
                "known_us": transactions["known_time_us"],
                "seq": transactions["seq"],
                "probability": model,
                "amount": amount,
                "cluster": cluster,
            }
        )
        _add_up(self._now, known, amount, self._cut_off)

    def _take_reports(self, resolved: Table) -> None:
        ordinal = resolved["ordinal"]
        if (self.rows.column("seq", ordinal) != resolved["transaction_seq"]).any():
            raise ArtefactError(
                "a label is about a transaction that is not in its place", field="resolved.ordinal"
            )
        probability = self.rows.column("probability", ordinal)
        amount = self.rows.column("amount", ordinal)
        cluster = self.rows.column("cluster", ordinal)
        happened_us = resolved["transaction_time_us"]
        for row in range(len(ordinal)):
            chance, happened = float(probability[row]), int(happened_us[row])
            mark = min(float(amount[row]) / self._cut_off, 1.0) if chance == chance else np.nan
            self._reports.append((happened // self.cohort_us, mark))
            self._delays.append((happened, int(resolved["known_time_us"][row])))
            if chance == chance:
                self.dispersion.report(self.dispersion.block_of(happened), cluster[row], chance)

    def _close(self, seq: int) -> Stretch:
        """The stretch that is over, as a value; begins the next one."""
        number, size = self._number, self._sums.shape[1]
        self._sums[:, number % size] = self._now
        end_us = (number + 1) * self.cohort_us
        if self._delays:
            delays = np.array(self._delays, np.int64)
            self.law.observe(delays[:, 0], delays[:, 1])
        # The law moves slowly, and asking for it costs as much as all else together.
        if end_us % DAY_US < self.cohort_us or not self._share.any():
            self._share = self._shares(end_us)
        cohort = np.arange(max(self._first, number - size + 1), number + 1)
        sums = self._sums[:, cohort % size]
        reports = np.array(self._reports).reshape(-1, 2)
        stretch = Stretch(
            number=number,
            cohort_us=self.cohort_us,
            seq=seq,
            judged_from=self._first + -(-self.settings.warm_up_s // self.settings.cohort_s),
            transactions=int(self._now[ROWS]),
            messages=self._messages,
            cohort=cohort,
            rows=sums[ROWS],
            risk=sums[RISK],
            share=self._share[number - cohort],
            money=sums[MONEY],
            report_cohort=reports[:, 0].astype(np.int64),
            report_mark=reports[:, 1],
            dispersion=self.dispersion.of_model,
            rate_dispersion=self.dispersion.of_rate,
        )
        self._begin(end_us)
        return stretch

    def _begin(self, now_us: int) -> None:
        self._number += 1
        self._now = np.zeros(SUMS)
        self._messages = 0
        self._reports, self._delays = [], []
        self.rows.forget_before(self.rows.ordinal_at("known_us", now_us - self.horizon_us))
        if np.isnan(self._cut_off) and len(self._amounts) == self.settings.amount_sample:
            quantile = np.quantile(self._amounts, self.settings.amount_quantile)
            self._cut_off = max(float(quantile), np.finfo(np.float64).tiny)
            self._amounts = np.zeros(0)

    def _shares(self, now_us: int) -> Floats:
        """(size,) of all reports, those that come in the stretch that is so many after the cohort's own."""
        half_us = self.cohort_us / 2.0
        ages_us = np.arange(2 * self._sums.shape[1] + 1) * half_us
        edges_us = np.concatenate([[0.0], self.law.edges_us])
        known = np.interp(ages_us, edges_us, np.append(0.0, self.law.distribution(now_us)))
        # Ages within a cohort are even: Simpson's rule.
        mean = (known[:-2:2] + 4.0 * known[1:-1:2] + known[2::2]) / 6.0
        return np.diff(mean, prepend=0.0)


@borrowing
def _add_up(sums: Any, probability: Any, amount: Any, cut_off: float) -> None:
    for row in range(len(probability)):
        sums[ROWS] += 1.0
        sums[RISK] += probability[row]
        mark = min(amount[row] / cut_off, 1.0)
        if mark == mark:  # there is no cut-off yet
            sums[MONEY] += probability[row] * mark
