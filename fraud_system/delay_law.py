"""The law of the delays with which frauds are reported, learned as it is used.

Reports that are known by now are a biased sample: of what happened yesterday only the quickest are among
them. So the share of each delay is asked of those transactions only that are old enough to have shown
it. With F(e_j) the chance of a delay up to the edge e_j of a histogram,

    F(e_{j-1}) / F(e_j) = 1 - (reports with a delay in bin j) / (reports with a delay up to e_j),

both counted over cohorts all of whose transactions are older than e_j; the product over the bins is the
law. (The product-limit estimate for right-truncated data of Lynden-Bell 1971, in bins, as for the
reporting delays of AIDS by Brookmeyer and Damiano 1989.) Growing traffic or a burst of fraud does not
bias it, because only delays within the same cohorts are compared.

It is the law of frauds that are reported within the horizon. Others, and how many they are, it cannot
know.
"""

import numpy as np
from numpy.typing import NDArray

from fraud_system.labels import LabelSettings

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BINS = 64
SHORTEST_SHARE = 1e-4  # of the horizon: the first bin; the others are equal on a logarithmic scale
COHORTS_IN_HORIZON = 128
COHORTS = 2 * COHORTS_IN_HORIZON
MEMORY_IN_MATURITIES = 3.0
PRIOR_FRAUDS = 20.0
PRIOR_MEAN_IN_MATURITIES = 1.0 / 3.0
NO_COHORT = -1


class DelayLaw:
    """Counts of reports by cohort and delay; a cohort is a stretch of 1/128 of the horizon.

    Before any report it is exponential with a mean of a third of the maturity, so that 95 % come in
    time, which is what a maturity is chosen for; that counts as much as PRIOR_FRAUDS frauds. Cohorts
    fade by a factor e in three maturities.

    Args:
        labels: maturity and horizon of the joiner, in seconds.

    >>> law = DelayLaw(LabelSettings(maturity_s=3_000, horizon_s=9_000))
    >>> median_us = law.quantiles(np.array([0.5]), now_us=0)  # of the prior: ln 2 x 1,000 s
    >>> np.round(median_us / 1e6, -1)
    array([690.])
    """

    def __init__(self, labels: LabelSettings) -> None:
        maturity_us, self.horizon_us = labels.array_us()[:2].tolist()
        self.cohort_us = max(1, -(-self.horizon_us // COHORTS_IN_HORIZON))
        self.memory_us = MEMORY_IN_MATURITIES * maturity_us
        steps = np.arange(BINS) / (BINS - 1) - 1.0
        self.edges_us: Floats = self.horizon_us * (1.0 / SHORTEST_SHARE) ** steps
        prior = -np.expm1(-self.edges_us / (PRIOR_MEAN_IN_MATURITIES * maturity_us))
        self.prior: Floats = prior / prior[-1]
        self.reports = np.zeros((COHORTS, BINS), np.int64)
        self.cohort = np.full(COHORTS, NO_COHORT, np.int64)

    def observe(self, transaction_us: Ints, reported_us: Ints) -> None:
        """Count reports (n,); the transactions must lie within the horizon of the reports."""
        numbers = transaction_us // self.cohort_us
        bins = np.searchsorted(self.edges_us, reported_us - transaction_us, side="right")
        bins = np.minimum(bins, BINS - 1)
        for number, place in zip(numbers.tolist(), bins.tolist(), strict=True):
            row = number % COHORTS
            if self.cohort[row] < number:  # that place was of a cohort two horizons ago
                self.cohort[row] = number
                self.reports[row] = 0
            self.reports[row, place] += 1

    def distribution(self, now_us: int) -> Floats:
        """(BINS,) chance of a delay below each of `edges_us`, by what is known at `now_us`.

        All reports that came before `now_us` must have been counted.
        """
        youngest_us = now_us - (self.cohort + 1) * self.cohort_us
        since_us = youngest_us[:, None] - self.edges_us
        usable = (self.cohort[:, None] != NO_COHORT) & (since_us >= 0.0)
        weight = np.where(usable, np.exp(-np.maximum(since_us, 0.0) / self.memory_us), 0.0)
        within = (weight * self.reports).sum(axis=0)
        up_to = (weight * np.cumsum(self.reports, axis=1)).sum(axis=0)
        in_bin = np.diff(self.prior, prepend=0.0)
        hazard = (within + PRIOR_FRAUDS * in_bin) / (up_to + PRIOR_FRAUDS * self.prior)
        shares = np.cumprod((1.0 - hazard)[:0:-1])[::-1]
        return np.append(shares, 1.0)

    def quantiles(self, chance: Floats, now_us: int) -> Ints:
        """Delays in microseconds that a report takes at most with each chance in (0, 1)."""
        known = np.concatenate([[0.0], self.distribution(now_us)])
        delays_us = np.interp(chance, known, np.concatenate([[0.0], self.edges_us]))
        return delays_us.astype(np.int64)

    def to_arrays(self) -> dict[str, Ints]:
        """A canonical copy, for a snapshot."""
        return {"reports": self.reports.copy(), "cohort": self.cohort.copy()}

    def restore(self, arrays: dict[str, Ints]) -> None:
        """Take a snapshot's state."""
        self.reports[:], self.cohort[:] = arrays["reports"], arrays["cohort"]
