"""Plan B: a handful of readable rules whose answers are probabilities.

The rules form a decision list; the first that holds names the bucket. Each bucket's probability is its
Beta-smoothed fraud rate, with old labels forgotten, so the same policy and the same metrics apply as to
the model. One more bucket holds everything: the constant rate that any model has to beat.

Rules are declared in TOML over the declared features, in words of the feature list:

    [[rules]]
    name = "the terminal's last known label is fraud"
    when = ["fraud_is_latest:terminal > 0.5"]
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.compiled import compiled
from fraud_system.errors import ConfigError
from fraud_system.models.scoring import bucket_of

PRIOR_STRENGTH = 200.0
MAX_CONDITIONS = 4


@dataclass(frozen=True)
class Rule:
    """Holds when every condition does.

    Args:
        name: for a person.
        conditions: (feature name, is above, threshold).
    """

    name: str
    conditions: tuple[tuple[str, bool, float], ...]


class RuleArrays(NamedTuple):
    """The rules as (rules, MAX_CONDITIONS) arrays; feature -1 ends a rule."""

    feature: NDArray[np.int64]
    above: NDArray[np.bool_]
    threshold: NDArray[np.float64]


class Buckets(NamedTuple):
    """What has been learned of each bucket: rules, "no rule", everything.

    Args:
        labels, frauds: (rules + 2,) forgetting counts.
        prior: (1,) fraud rate before any label.
    """

    labels: NDArray[np.float64]
    frauds: NDArray[np.float64]
    prior: NDArray[np.float64]


def load_rules(text: str, names: Sequence[str], left_out: Sequence[str] = ()) -> tuple[Rule, ...]:
    """Read rules from TOML; a rule that reads a feature in `left_out` is left out as well.

    >>> load_rules('[[rules]]\\nname = "new"\\nwhen = ["is_new:card > 0.5"]', ["is_new:card"])
    (Rule(name='new', conditions=(('is_new:card', True, 0.5),)),)
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}", field="rules") from error
    rules = []
    for index, given in enumerate(raw.get("rules", [])):
        where = f"rules[{index}]"
        if set(given) != {"name", "when"} or not 1 <= len(given["when"]) <= MAX_CONDITIONS:
            raise ConfigError(
                "a rule has a name and one to four conditions",
                field=where,
                fix='name = "...", when = ["feature > 0.5"]',
            )
        conditions = [_condition(text, where) for text in given["when"]]
        missing = [name for name, _, _ in conditions if name not in names]
        if not missing:
            rules.append(Rule(given["name"], tuple(conditions)))
        elif set(missing) - set(left_out):
            raise ConfigError(f"no feature is called {missing[0]!r}", field=where)
    return tuple(rules)


def _condition(text: str, where: str) -> tuple[str, bool, float]:
    words = text.split()
    try:
        name, sign, threshold = words
        return name, {">": True, "<=": False}[sign], float(threshold)
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"{text!r} is not a condition", field=where, fix='"feature > 0.5" or "feature <= 2"'
        ) from error


def rule_arrays(rules: Sequence[Rule], names: Sequence[str]) -> RuleArrays:
    """The rules in a form that compiled code can walk."""
    shape = (len(rules), MAX_CONDITIONS)
    arrays = RuleArrays(np.full(shape, -1, np.int64), np.zeros(shape, np.bool_), np.zeros(shape))
    for row, rule in enumerate(rules):
        for column, (name, above, threshold) in enumerate(rule.conditions):
            arrays.feature[row, column] = list(names).index(name)
            arrays.above[row, column] = above
            arrays.threshold[row, column] = threshold
    return arrays


def empty_buckets(rules: int, prevalence: float) -> Buckets:
    """Nothing is known but the prior."""
    return Buckets(np.zeros(rules + 2), np.zeros(rules + 2), np.array([prevalence]))


def rates_of(buckets: Buckets) -> NDArray[np.float64]:
    """(rules + 2,) posterior mean of each fraud rate under a Beta prior of PRIOR_STRENGTH labels.

    >>> rates_of(empty_buckets(rules=1, prevalence=0.01))
    array([0.01, 0.01, 0.01])
    """
    prior = buckets.prior[0] * PRIOR_STRENGTH
    return (buckets.frauds + prior) / (buckets.labels + PRIOR_STRENGTH)


@compiled
def learn_rates(buckets: Any, served: Any, rows: Any, is_fraud: Any, memory_labels: float) -> None:
    """Count labelled rows (n, d) in order; each bucket remembers about its last `memory_labels`."""
    keep = 1.0 - 1.0 / memory_labels
    everything = len(buckets.labels) - 1
    for row in range(len(rows)):
        fraud = 1.0 if is_fraud[row] else 0.0
        for bucket in (bucket_of(served, rows[row]), everything):
            buckets.labels[bucket] = buckets.labels[bucket] * keep + 1.0
            buckets.frauds[bucket] = buckets.frauds[bucket] * keep + fraud
