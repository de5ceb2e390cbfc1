"""What the monitors of labels are shown: one stretch of time, as a value."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ConfigError
from fraud_system.setting_checks import check_positive

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class CohortSettings:
    """Args:
        cohort_s: length of a stretch, seconds.
        warm_up_s: after the first transaction, how long nothing is judged: the model and the law of delays
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
class Expected:
    """What the model's probabilities say of one cohort by themselves.

    Args:
        rows, flagged: transactions, and those that were not approved.
        fraud, fraud_flagged: sum of probabilities of all, and of the flagged ones.
        money, money_flagged: the same times the amount.
    """

    rows: float = 0.0
    flagged: float = 0.0
    fraud: float = 0.0
    fraud_flagged: float = 0.0
    money: float = 0.0
    money_flagged: float = 0.0


@dataclass(frozen=True)
class Matured:
    """What became of one cohort by its maturity; rows without a probability of the model are left out.

    Args:
        legitimate, fraud: transactions.
        legitimate_flagged, fraud_flagged: of those, the ones that were not approved.
        money, money_flagged: amounts of the frauds.
        loss_model, loss_heuristic, loss_constant: sums of log losses, nats.
    """

    legitimate: float = 0.0
    fraud: float = 0.0
    legitimate_flagged: float = 0.0
    fraud_flagged: float = 0.0
    money: float = 0.0
    money_flagged: float = 0.0
    loss_model: float = 0.0
    loss_heuristic: float = 0.0
    loss_constant: float = 0.0


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
        resolved: labels that the joiner resolved, matured ones among them.
        cohort: (c,) every cohort whose labels may still come, oldest first; this one is the last.
        rows: (c,) transactions in each.
        risk: (c,) sum of the model's probabilities.
        share: (c,) of all reports that ever come, those that should have come in this stretch.
        law: (a,) the same by age, for every age; `law_number` changes whenever it does.
        reported: (c,) reports about each that had come before this stretch.
        money: (c,) sum of probability x mark, the mark being an amount as a share of the cut-off.
        report_cohort, report_mark: (m,) reports, in the order in which they came; nan marks where the
            model had no probability.
        dispersion, rate_dispersion: see `Dispersion`.
        expected: of this cohort.
        matured: of the cohort that has just become mature, and may be judged; or None.
    """

    number: int
    cohort_us: int
    seq: int
    judged_from: int
    transactions: int
    messages: int
    resolved: int
    cohort: Ints
    rows: Floats
    risk: Floats
    share: Floats
    law: Floats
    law_number: int
    reported: Floats
    money: Floats
    report_cohort: Ints
    report_mark: Floats
    dispersion: float = 1.0
    rate_dispersion: float = 1.0
    expected: Expected = Expected()
    matured: Matured | None = None

    @property
    def end_us(self) -> int:
        """Its end."""
        return (self.number + 1) * self.cohort_us

    @property
    def expected_reports(self) -> float:
        """In this stretch, by the model's probabilities."""
        return float((self.risk * self.share).sum())
