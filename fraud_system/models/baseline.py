"""The baseline: river's own online logistic regression, one `learn_one` per label.

    StandardScaler | Squash | Interactions | LogisticRegression(AdaGrad, log loss)

`fast_forward` does the same arithmetic compiled; this module is the reference that it must equal.
"""

import math

from river import compose, linear_model, optim, preprocessing

from fraud_system.models.interactions import Interactions
from fraud_system.models.model_settings import BaselineSettings
from fraud_system.models.squash import Squash


def baseline(
    pairs: tuple[tuple[str, str], ...] = (), settings: BaselineSettings | None = None
) -> compose.Pipeline:
    """A fresh river pipeline.

    >>> model = baseline()
    >>> model.learn_one({"amount": 3.0}, True)
    >>> 0.0 < model.predict_proba_one({"amount": 3.0})[True] < 0.1
    True
    """
    chosen = settings or BaselineSettings()
    return compose.Pipeline(
        preprocessing.StandardScaler(),
        Squash(chosen.squash_limit),
        Interactions(pairs),
        linear_model.LogisticRegression(
            optimizer=optim.AdaGrad(chosen.learning_rate, eps=chosen.first_gradient),
            loss=optim.losses.Log(),
            intercept_init=math.log(chosen.prevalence / (1.0 - chosen.prevalence)),
            intercept_lr=chosen.intercept_learning_rate,
        ),
    )
