"""The baseline: river's own online logistic regression, one `learn_one` per label.

    StandardScaler | Squash | Interactions | LogisticRegression(AdaGrad, log loss)

`fast_forward` does the same arithmetic compiled; this module is the reference that it must equal.
"""

import math
from dataclasses import asdict, dataclass

from river import compose, linear_model, optim, preprocessing

from fraud_system.errors import ConfigError
from fraud_system.models.interactions import Interactions
from fraud_system.models.squash import LIMIT, Squash
from fraud_system.setting_checks import check_positive


@dataclass(frozen=True)
class BaselineSettings:
    """How fast the baseline learns, and where it starts.

    Args:
        prevalence: prior guess of the fraud rate; the intercept starts at its log odds, because a
            model that starts at 0.5 spoils the log loss of the whole stream.
        learning_rate: of AdaGrad.
        first_gradient: AdaGrad's `eps`, here as the squared gradient that every weight starts with: it
            damps the first steps, when a handful of frauds would otherwise move every weight at once.
        intercept_learning_rate: of the intercept, which river updates by plain gradient steps; 0 holds
            it.
        squash_limit: of the standardised features, in standard deviations.
        kind: always "baseline".

    Raises:
        ConfigError: one of them cannot be learned with.
    """

    prevalence: float = 0.005
    learning_rate: float = 0.1
    first_gradient: float = 20.0
    intercept_learning_rate: float = 0.03
    squash_limit: float = LIMIT
    kind: str = "baseline"

    def __post_init__(self) -> None:
        if self.kind != "baseline":
            raise ConfigError(f"these are not settings of {self.kind!r}", field="model.kind")
        numbers = {name: value for name, value in asdict(self).items() if name != "kind"}
        # Zero would divide by it: log odds, the first AdaGrad step, the squash.
        check_positive("model", zero_or_more="intercept_learning_rate", **numbers)
        if self.prevalence >= 1.0:
            raise ConfigError("is a share below 1", field="model.prevalence", fix="e.g. 0.005")


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
