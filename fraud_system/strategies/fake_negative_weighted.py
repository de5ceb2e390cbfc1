"""`fake_negative_weighted`: legitimate at once, fraud when reported, and weights that make up for it.

Every transaction is learned as legitimate right away, so every fraud is first a fake negative. Ktena et
al. 2019 ("Addressing delayed feedback for continuous training with neural networks in CTR prediction",
section 4.2) undo that by importance weights that need the model's own probability p: (1 - p)(1 + p) for
the negatives and 1 + p for the positives. Those are ratios of the labels given the features, and leave
each transaction with a total weight of 1 + p. Here both are divided by 1 + p, the ratio of the joint
laws: 1 - p and 1, with the same solution, and buckets and means over transactions stay unbiased.

p is the probability that the model gave when it decided, from the ledger: the fake negative is learned
at the next resolved label, so no fresher one would differ by much, and a replay has it too. Where that
p is far too low (a new attack), the fraud is under-predicted until the model that sees it has
decided on others, and so on: it comes to the truth by iteration. With known shares of wrong labels p is the
chance of a *report*.

It is the freshest of the strategies, and the only one that a change of traffic biases: fake negatives
are learned at once and the frauds among them later, so while traffic grows fraud is under-predicted, and
while it falls over-predicted (`make bench-labels` shows it under three times the volume). One that is
taken back ends as a legitimate transaction of weight 2 - p instead of 1 - p.
"""

import numpy as np

from fraud_system.events import Resolution, Table
from fraud_system.logged import LoggedFeatures
from fraud_system.strategies.examples import Examples, Ints
from fraud_system.strategies.first_terms import FirstTerms
from fraud_system.strategies.settings import LearningSettings

CURVE_OF, TARGET_OF = np.zeros(len(Resolution)), np.zeros(len(Resolution))
CURVE_OF[[Resolution.FRAUD, Resolution.LATE_FRAUD]] = 1.0
TARGET_OF[[Resolution.FRAUD, Resolution.LATE_FRAUD]] = 1.0
TARGET_OF[Resolution.REVERSED] = -1.0


class FakeNegativeWeighted:
    """Which transactions were learned as legitimate.

    Args:
        settings: of learning.
        logged: the transactions and the probabilities that were given.
    """

    def __init__(self, settings: LearningSettings, logged: LoggedFeatures) -> None:
        self.settings, self.logged = settings, logged
        self.first_terms = FirstTerms(1, settings, logged)

    @property
    def oldest_waiting(self) -> int:
        """The first ordinal that is still to be learned."""
        return self.first_terms.oldest_waiting

    def examples(self, resolved: Table) -> Examples:
        """What to learn up to the last of the next resolved labels (in the ledger's order)."""
        times_us, resolution = resolved["known_time_us"], resolved["resolution"]
        tells = TARGET_OF[resolution] != 0.0
        first, known_us = self.first_terms.due_before(int(times_us[-1]))
        probability = self.logged.column("probability", first)
        fake = 1.0 - self.settings.reported_share(probability)
        # At the same moment the report comes first, as labels do in the ledger.
        order = np.argsort(np.concatenate([times_us[tells], known_us]), kind="stable")
        ordinal = np.concatenate([resolved["ordinal"][tells], first])
        curve = np.concatenate([CURVE_OF[resolution[tells]], fake])
        target = np.concatenate([TARGET_OF[resolution[tells]], np.zeros(len(first))])
        return Examples(ordinal[order], curve[order], target[order])

    def to_arrays(self) -> dict[str, Ints]:
        """A canonical copy, for a snapshot."""
        return {"next": self.first_terms.next.copy()}

    def restore(self, arrays: dict[str, Ints]) -> None:
        """Take a snapshot's state."""
        self.first_terms.next[:] = arrays["next"]
