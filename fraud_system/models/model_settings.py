"""What can be set about each model, and which models there are; nothing here loads river.

The scorer needs the settings of a model, but never learns: river, which brings pandas and scikit-learn with
it, is loaded by whoever makes a model of them (`online.new_model`).
"""

from dataclasses import asdict, dataclass

from fraud_system.errors import ConfigError
from fraud_system.setting_checks import check_positive

MAX_BLOCK_LABELS = 65_536
SQUASH_LIMIT = 5.0


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
    squash_limit: float = SQUASH_LIMIT
    kind: str = "baseline"

    def __post_init__(self) -> None:
        # Zero would divide by it: log odds, the first AdaGrad step, the squash.
        _check(self, "baseline", zero_or_more="intercept_learning_rate")


@dataclass(frozen=True)
class LaplaceSettings:
    """How sure the model is at the start, and how long it remembers.

    Args:
        prevalence: prior guess of the fraud rate: the intercept's prior mean is its log odds.
        prior_precision: of the weight of a standardised term; its prior is N(0, 1 / precision).
        intercept_precision: of the intercept.
        memory_labels: labels after which what was known has faded to 1/e; may be infinite.
        block_labels: labels that are learned together. The result hardly depends on it, the cost does:
            about D^2 / 2 + D^3 / (3 block_labels) multiplications a label, D terms.
        squash_limit: of the standardised features, in standard deviations.
        kind: always "laplace".

    Raises:
        ConfigError: one of them cannot be learned with.
    """

    prevalence: float = 0.005
    prior_precision: float = 50.0
    intercept_precision: float = 0.1
    memory_labels: float = 70_000.0
    block_labels: int = 250
    squash_limit: float = SQUASH_LIMIT
    kind: str = "laplace"

    def __post_init__(self) -> None:
        _check(self, "laplace", infinite="memory_labels")
        if self.memory_labels < 10.0:
            raise ConfigError("must be at least 10", field="model.memory_labels")
        if not isinstance(self.block_labels, int) or self.block_labels > MAX_BLOCK_LABELS:
            raise ConfigError(
                f"must be a whole number up to {MAX_BLOCK_LABELS}", field="model.block_labels"
            )


ModelSettings = BaselineSettings | LaplaceSettings
MODELS: dict[str, type[ModelSettings]] = {"baseline": BaselineSettings, "laplace": LaplaceSettings}
DEFAULT_MODEL = "laplace"


def _check(settings: ModelSettings, kind: str, **but: str) -> None:
    """What holds for every model; `but` names a number with another bound (see `check_positive`)."""
    if settings.kind != kind:
        raise ConfigError(f"these are not settings of {settings.kind!r}", field="model.kind")
    numbers = {name: value for name, value in asdict(settings).items() if name != "kind"}
    check_positive("model", **but, **numbers)
    if settings.prevalence >= 1.0:
        raise ConfigError("is a share below 1", field="model.prevalence", fix="e.g. 0.005")
