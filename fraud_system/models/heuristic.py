"""Plan B: a handful of readable rules whose answers are probabilities.

The rules form a decision list; the first that holds names the bucket. Each bucket's probability is its
Beta-smoothed fraud rate, with old labels forgotten, so the same policy and the same metrics apply as to
the model. One more bucket holds everything: the constant rate that any model has to beat.

Rules are declared in TOML over the declared features, in words of the feature list:

    [[rules]]
    name = "the terminal's last known label is fraud"
    when = ["fraud_is_latest:terminal > 0.5"]

A feature that is missing (nan) satisfies no condition.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.compiled import borrowing
from fraud_system.errors import ConfigError
from fraud_system.models.scoring import Served, bucket_of
from fraud_system.toml_section import suggestion

PRIOR_STRENGTH = 200.0
MAX_CONDITIONS = 4
LARGEST_THRESHOLD = float(np.finfo(np.float32).max)  # features are float32


@dataclass(frozen=True)
class Rule:
    """Holds when every condition does.

    Args:
        name: for a person.
        conditions: one to four of (feature name, is above, threshold); not above means at most.

    Raises:
        ConfigError: there are none or too many, or a threshold is not a finite float32.
    """

    name: str
    conditions: tuple[tuple[str, bool, float], ...]

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ConfigError("a rule needs a name", field="rules.name", fix='name = "..."')
        if not 1 <= len(self.conditions) <= MAX_CONDITIONS:
            raise ConfigError("a rule has one to four conditions", field=f"rules: {self.name}")
        for _, _, threshold in self.conditions:
            # "<= nan" would hold for every row.
            if not abs(threshold) <= LARGEST_THRESHOLD:
                raise ConfigError(
                    f"{threshold} is not a finite threshold", field=f"rules: {self.name}"
                )


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

    Raises:
        ConfigError: naming the rule and the fix.

    >>> load_rules('[[rules]]\\nname = "new"\\nwhen = ["is_new:card > 0.5"]', ["is_new:card"])
    (Rule(name='new', conditions=(('is_new:card', True, 0.5),)),)
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}", field="rules") from error
    unknown = set(raw) - {"rules"}
    declared = raw.get("rules", [])
    if unknown or not isinstance(declared, list):
        raise ConfigError(
            f"unknown key {min(unknown)!r}" if unknown else "must be a list of tables",
            field="rules",
            fix="begin each rule with [[rules]]",
        )
    rules: dict[str, Rule] = {}
    for index, given in enumerate(declared):
        where = f"rules[{index}]"
        rule = _rule(given, where)
        if rule.name in rules:
            raise ConfigError(f"declared twice: {rule.name!r}", field=where, fix="rename one")
        missing = {name for name, _, _ in rule.conditions} - set(names)
        if missing - set(left_out):
            unknown_name = min(missing - set(left_out))
            raise ConfigError(
                f"no feature is called {unknown_name!r}",
                field=where,
                fix=suggestion(unknown_name, list(names)),
            )
        if not missing:
            rules[rule.name] = rule
    return tuple(rules.values())


def _rule(given: Any, where: str) -> Rule:
    try:
        name, when = given["name"], given["when"]
        usable = set(given) == {"name", "when"} and isinstance(when, list) and name.strip()
    except (AttributeError, KeyError, TypeError):
        usable = False
    if not usable or not 1 <= len(when) <= MAX_CONDITIONS:
        raise ConfigError(
            "a rule has a name and one to four conditions",
            field=where,
            fix='name = "...", when = ["feature > 0.5"]',
        )
    return Rule(name, tuple(_condition(text, where) for text in when))


def _condition(text: Any, where: str) -> tuple[str, bool, float]:
    try:
        # From the right: a column, and so a feature, may have spaces in its name.
        name, sign, threshold = text.rsplit(maxsplit=2)
        limit = float(threshold)
        if not abs(limit) <= LARGEST_THRESHOLD:
            raise ValueError(f"{limit} is not a finite threshold")
        return name.strip(), {">": True, "<=": False}[sign], limit
    except (AttributeError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{text!r} is not a condition", field=where, fix='"feature > 0.5" or "feature <= 2"'
        ) from error


def rule_arrays(rules: Sequence[Rule], names: Sequence[str]) -> RuleArrays:
    """The rules in a form that compiled code can walk.

    Thresholds are rounded to float32, as features are: a value that is written like its threshold is
    then equal to it.
    """
    shape = (len(rules), MAX_CONDITIONS)
    arrays = RuleArrays(np.full(shape, -1, np.int64), np.zeros(shape, np.bool_), np.zeros(shape))
    for row, rule in enumerate(rules):
        for column, (name, above, threshold) in enumerate(rule.conditions):
            arrays.feature[row, column] = list(names).index(name)
            arrays.above[row, column] = above
            arrays.threshold[row, column] = np.float32(threshold)
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


@borrowing
def learn_rates(
    buckets: Any, served: Any, rows: Any, curve: Any, target: Any, memory_labels: float
) -> None:
    """Count rows (n, d) in order; each bucket remembers about its last `memory_labels` transactions.

    A row adds `curve` (n,) to the labels of its bucket and `target` (n,) to its frauds: (1, 0) and
    (1, 1) for plain labels, (0, 1) for the report of a fraud that was counted before, (0, -1) where it
    is taken back. Only what counts as a transaction makes older ones fade.
    """
    everything = len(buckets.labels) - 1
    for row in range(len(rows)):
        keep = (1.0 - 1.0 / memory_labels) ** curve[row]
        for bucket in (bucket_of(served, rows[row]), everything):
            labels = buckets.labels[bucket] * keep + curve[row]
            frauds = buckets.frauds[bucket] * keep + target[row]
            buckets.labels[bucket] = labels
            # What is taken back was counted when it weighed more, and may have faded since.
            buckets.frauds[bucket] = min(max(frauds, 0.0), labels)


def rules_only(rules: Sequence[Rule], names: Sequence[str]) -> Served:
    """The rules in the form in which compiled code reads them, without any weights."""
    read = rule_arrays(rules, names)
    none, no_index = np.zeros(0), np.zeros(0, np.int64)
    return Served(
        mean=none,
        deviation=none,
        weight=none,
        intercept=none,
        left=no_index,
        right=no_index,
        squash_limit=none,
        recalibration=none,
        rule_feature=read.feature,
        rule_above=read.above,
        rule_threshold=read.threshold,
        rates=none,
    )
