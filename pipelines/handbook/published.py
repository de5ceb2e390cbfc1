"""What the Handbook publishes, to be printed beside what is measured here.

Le Borgne, Siblini, Lebichot, Bontempi: "Reproducible Machine Learning for Credit Card Fraud Detection -
Practical Handbook" (2022), labels seven days late. `TEST_WEEK` is chapter 3, "Baseline fraud detection
system"; `FOLDS` are means over the four weekly test folds of chapters 5 to 7, with the standard deviation
over the folds as the book prints it.
"""

from typing import NamedTuple

TEST_WEEK_TRANSACTIONS = 58_264
TEST_WEEK_FRAUDS = 385
"""Left of the first test week, 8 to 14 August 2018, once known compromised cards are removed."""


class Published(NamedTuple):
    """One line of the book's tables; a spread is None where the book has a single week."""

    model: str
    roc_auc: float
    average_precision: float
    card_precision_100: float
    spread: tuple[float, float, float] | None = None


REFERENCE = Published(
    "logistic regression", 0.868, 0.623, 0.297, (0.015, 0.016, 0.009)
)  # to more digits: 0.867643, 0.623081, 0.297143

FOLDS = (
    REFERENCE,
    Published("decision tree of depth 2", 0.792, 0.542, 0.265, (0.018, 0.031, 0.020)),
    Published("random forest", 0.870, 0.678, 0.299, (0.02, 0.01, 0.01)),
    Published("XGBoost", 0.869, 0.687, 0.303, (0.01, 0.01, 0.01)),
    Published("balanced bagging", 0.879, 0.680, 0.305, (0.01, 0.01, 0.01)),
    Published("weighted XGBoost", 0.872, 0.687, 0.300, (0.01, 0.01, 0.01)),
    Published("feed-forward network", 0.876, 0.675, 0.303, (0.01, 0.01, 0.02)),
    Published("convolutional network", 0.872, 0.599, 0.288, (0.01, 0.01, 0.01)),
    Published("LSTM", 0.876, 0.665, 0.297, (0.02, 0.02, 0.01)),
    Published("LSTM with attention", 0.874, 0.667, 0.295, (0.02, 0.01, 0.01)),
)

TEST_WEEK = (
    Published("logistic regression", 0.871, 0.606, 0.291),
    Published("decision tree of depth 2", 0.763, 0.496, 0.241),
    Published("random forest", 0.867, 0.658, 0.287),
    Published("XGBoost", 0.862, 0.639, 0.273),
)
