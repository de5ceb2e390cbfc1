"""Batch models as a yardstick: retrained for each fold on the same features and the same known labels.

They see every transaction whose label was known when the test week began, in the features that were
logged when it happened; scikit-learn does the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from pipelines.handbook.protocol import (
    DELAY_DAYS,
    TEST_DAYS,
    TRAINING_DAYS,
    Scored,
    day_number,
    labelled_rows,
)


def logistic_regression() -> ClassifierMixin:
    """On standardised features, clipped at five deviations as the online model squashes them.

    Newton steps: with 49 features and a million rows some twenty times faster than L-BFGS.
    """
    return make_pipeline(
        StandardScaler(),
        FunctionTransformer(np.clip, kw_args={"a_min": -5.0, "a_max": 5.0}),
        LogisticRegression(solver="newton-cholesky", max_iter=100),
    )


def gradient_boosting() -> ClassifierMixin:
    """scikit-learn's histogram gradient boosting, lightly regularised for a rare class."""
    return HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=200, max_leaf_nodes=31, min_samples_leaf=100, random_state=0
    )


YARDSTICKS: dict[str, Callable[[], ClassifierMixin]] = {
    "logistic regression": logistic_regression,
    "gradient boosting": gradient_boosting,
}


def retrained_weekly(
    name: str, starts: Sequence[date], scored: Scored, features: NDArray[np.float32]
) -> Scored:
    """The same stream with a yardstick's probabilities in the test weeks, and 0 elsewhere.

    Each test week is answered by a model that was trained on all labels known when it began.

    Args:
        name: of `YARDSTICKS`.
        starts: first day of each training week.
        scored: the stream.
        features: (n, features) as logged, in the same order.
    """
    probability = np.zeros(len(scored.day))
    # One thread: several that wait for each other on a busy machine took ten times as long.
    with threadpool_limits(limits=1):
        for start in tqdm(starts, desc=name, unit=" weeks", leave=False, disable=None):
            known = labelled_rows(start, scored.day)
            model = YARDSTICKS[name]().fit(features[known], scored.is_fraud[known])
            first = day_number(start) + TRAINING_DAYS + DELAY_DAYS
            week = (scored.day >= first) & (scored.day < first + TEST_DAYS)
            probability[week] = model.predict_proba(features[week])[:, 1]
    return replace(scored, probability=probability)
