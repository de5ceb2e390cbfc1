"""Everything that can be set about one system, in one value. Two runs with equal settings and equal
inputs give equal bytes; `fingerprint` is how a ledger or a model says which settings it belongs to.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from fraud_system.errors import ArtefactError, ConfigError
from fraud_system.features.declaration import KINDS, Entity, Feature, FeatureList
from fraud_system.features.layout import compile_layout, compile_program
from fraud_system.guards import GuardSettings
from fraud_system.labels import LabelSettings
from fraud_system.models.heuristic import Rule
from fraud_system.models.model_settings import MODELS, BaselineSettings, ModelSettings
from fraud_system.models.recalibration import RecalibrationSettings
from fraud_system.policy import PolicyCosts
from fraud_system.strategies.settings import LearningSettings

ENTITY_SCALES = ("scales", "approved_scales", "label_scales")
MAX_SECONDS = 2**31 - 1  # 68 years


@dataclass(frozen=True)
class Settings:
    """Of the engine and the learner.

    Args:
        features: the declared list.
        rules: of the heuristic.
        labels: the joiner's clocks.
        costs: of the policy.
        model: which model, and how it learns.
        recalibration: the line through its log odds.
        guards: what is never learned.
        learning: what is learned when.
        publish_every_labels: weights are published after every so many resolved labels.
        memory_labels: the heuristic's buckets remember about this many labels each.
        max_lateness_s: an event time further back than this is refused.
        max_ahead_s: an event time further in the future than this is refused.

    Raises:
        ConfigError: a number is out of range, or a rule or an interaction reads no declared feature.
    """

    features: FeatureList
    rules: tuple[Rule, ...] = ()
    labels: LabelSettings = field(default_factory=LabelSettings)
    costs: PolicyCosts = field(default_factory=PolicyCosts)
    model: ModelSettings = field(default_factory=BaselineSettings)
    recalibration: RecalibrationSettings = field(default_factory=RecalibrationSettings)
    guards: GuardSettings = field(default_factory=GuardSettings)
    learning: LearningSettings = field(default_factory=LearningSettings)
    publish_every_labels: int = 1_000
    memory_labels: float = 50_000.0
    max_lateness_s: int = 86_400
    max_ahead_s: int = 300

    def __post_init__(self) -> None:
        for name, least, most in (
            ("publish_every_labels", 1, 1_000_000),
            ("max_lateness_s", 0, MAX_SECONDS),
            ("max_ahead_s", 0, MAX_SECONDS),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise ConfigError(
                    f"must be a whole number from {least} to {most}, not {value!r}", field=name
                )
        memory = self.memory_labels
        if not isinstance(memory, int | float) or not 100 <= memory < math.inf:
            raise ConfigError(
                f"must be a number of at least 100, not {memory!r}", field="memory_labels"
            )
        self._check_names()

    def _check_names(self) -> None:
        names = set(self.features.names)
        if len(names) < len(self.features.names):
            raise ConfigError("two features share a name", field="features")
        if len(set(self.features.pairs)) < len(self.features.pairs):
            raise ConfigError("an interaction is declared twice", field="features.pairs")
        read = [("features.pairs", side) for pair in self.features.pairs for side in pair]
        read += [("rules", name) for rule in self.rules for name, _, _ in rule.conditions]
        for field_, name in read:
            if name not in names:
                raise ConfigError(f"no feature is called {name!r}", field=field_)

    def described(self) -> dict[str, Any]:
        """As plain values, for run.json and for the fingerprint."""
        return asdict(self)

    @classmethod
    def from_described(cls, given: dict[str, Any]) -> "Settings":
        """Back from `described`, also after a trip through JSON.

        Raises:
            ArtefactError: something is missing or of another shape.
        """
        try:
            settings = cls(**given | _nested(given))
            _check_usable(settings.features)
            same = _plain(settings.described()) == _plain(given)
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise ArtefactError(
                f"not settings of this version: {error!r}", field="settings"
            ) from error
        except ConfigError as error:
            raise ArtefactError(error.problem, field=f"settings.{error.field}") from error
        # What is left out would be filled in from today's defaults, what is misspelt be lost.
        if not same:
            raise ArtefactError("not settings of this version", field="settings")
        return settings

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of everything that makes two settings differ.

        Equal settings have equal fingerprints, whether a number was written 100 or 100.0. So
        `features.left_out` has no part in it: it says why a feature is absent, not what is there.
        """
        described = self.described()
        del described["features"]["left_out"]
        text = json.dumps(_numbers_alike(described), sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


def _plain(described: dict[str, Any]) -> Any:
    """As it comes back from JSON: tuples have become lists."""
    return json.loads(json.dumps(described, allow_nan=False))


def _numbers_alike(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _numbers_alike(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers_alike(each) for each in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value + 0.0 if is_number else value  # -0.0 becomes 0.0


def _check_usable(features: FeatureList) -> None:
    """Raise whatever the engine would raise later, if a described list was tampered with."""
    for feature in features.features:
        if tuple(key for key, _ in feature.options) != KINDS[feature.kind].needs:
            raise ConfigError(f"{feature.name} is not a feature of this version", field="features")
    compile_layout(features)
    compile_program(features)


def _nested(given: dict[str, Any]) -> dict[str, Any]:
    """The parts of `Settings.described` that are values of their own."""
    listed = given["features"]
    features = [
        Feature(each["kind"], tuple((key, value) for key, value in each["options"]))
        for each in listed["features"]
    ]
    entities = [
        Entity(each["name"], *(tuple(each[key]) for key in ENTITY_SCALES))
        for each in listed["entities"]
    ]
    rules = [
        Rule(each["name"], tuple((name, above, at) for name, above, at in each["conditions"]))
        for each in given["rules"]
    ]
    return {
        "features": FeatureList(
            entities=tuple(entities),
            numeric=tuple(listed["numeric"]),
            categorical=tuple(listed["categorical"]),
            features=tuple(features),
            pairs=tuple((left, right) for left, right in listed["pairs"]),
            left_out=tuple(listed["left_out"]),
        ),
        "rules": tuple(rules),
        "labels": LabelSettings(**given["labels"]),
        "costs": PolicyCosts(**given["costs"]),
        "model": MODELS[given["model"]["kind"]](**given["model"]),
        "recalibration": RecalibrationSettings(**given["recalibration"]),
        "guards": GuardSettings(**given["guards"]),
        "learning": LearningSettings(**given["learning"]),
    }
