"""Batch models as a yardstick: retrained for each fold on the same features and the same known labels.

They see every transaction whose label was known when the test week began, in the features that were
logged when it happened; scikit-learn does the rest.
"""

from collections.abc import Callable

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler


def logistic_regression() -> ClassifierMixin:
    """On standardised features, clipped at five deviations as the online model squashes them."""
    return make_pipeline(
        StandardScaler(),
        FunctionTransformer(np.clip, kw_args={"a_min": -5.0, "a_max": 5.0}),
        LogisticRegression(max_iter=300),
    )


def gradient_boosting() -> ClassifierMixin:
    """scikit-learn's histogram gradient boosting, lightly regularised for a rare class."""
    return HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=200, max_leaf_nodes=31, min_samples_leaf=100, random_state=0
    )


YARDSTICKS: dict[str, Callable[[], ClassifierMixin]] = {
    "scikit-learn logistic regression, retrained weekly": logistic_regression,
    "scikit-learn gradient boosting, retrained weekly": gradient_boosting,
}
