"""Everything that can be set about one system, in one value. Two runs with equal settings and equal
inputs give equal bytes; `fingerprint` is how a ledger or a model says which settings it belongs to.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from fraud_system.errors import ArtefactError, ConfigError
from fraud_system.features.declaration import Entity, Feature, FeatureList
from fraud_system.labels import LabelSettings
from fraud_system.models.baseline import BaselineSettings
from fraud_system.models.heuristic import Rule
from fraud_system.policy import PolicyCosts

ENTITY_SCALES = ("scales", "approved_scales", "label_scales")


@dataclass(frozen=True)
class Settings:
    """Of the engine and the learner.

    Args:
        features: the declared list.
        rules: of the heuristic.
        labels: the joiner's clocks.
        costs: of the policy.
        model: of the baseline.
        publish_every_labels: weights are published after every so many resolved labels.
        memory_labels: the heuristic's buckets remember about this many labels each.
        max_lateness_s: an event time further back than this is refused.
        max_ahead_s: an event time further in the future than this is refused.
    """

    features: FeatureList
    rules: tuple[Rule, ...] = ()
    labels: LabelSettings = field(default_factory=LabelSettings)
    costs: PolicyCosts = field(default_factory=PolicyCosts)
    model: BaselineSettings = field(default_factory=BaselineSettings)
    publish_every_labels: int = 1_000
    memory_labels: float = 50_000.0
    max_lateness_s: int = 86_400
    max_ahead_s: int = 300

    def __post_init__(self) -> None:
        if not 1 <= self.publish_every_labels <= 1_000_000:
            raise ConfigError("must be between 1 and a million", field="publish_every_labels")
        if self.memory_labels < 100:
            raise ConfigError("must be at least 100", field="memory_labels")

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
            return cls(**given | _nested(given))
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(
                f"not settings of this version: {error!r}", field="settings"
            ) from error

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything here, in hexadecimal."""
        text = json.dumps(self.described(), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


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
        "model": BaselineSettings(**given["model"]),
    }
