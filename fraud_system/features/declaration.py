"""The feature list: declared once, in TOML. It gives names, units and order.

    [entities.card]
    scales = ["1h", "1d", "7d"]          # decayed counters of attempts
    approved_scales = ["1d"]             # the same, of approved attempts only
    label_scales = ["7d", "30d"]         # decayed counters of resolved labels

    [[features]]
    kind = "count"                       # one of KINDS below
    entity = "card"
    scale = ["1h", "1d"]                 # a list stands for one feature each

A feature whose entity the data does not have is left out (`FeatureList.left_out` names it), so one
list serves data with cards, with terminals, with both and with neither.
"""

import itertools
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fraud_system.errors import ConfigError

UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True)
class KindSpec:
    """What a kind of feature needs, its unit and what it is, in words (used in reasons and reports).

    Args:
        needs: which of entity, scale, label_scale, approved_scale, long_scale, quantile, other, column,
            bucket the declaration must give.
        unit: of the value.
        words: a template over those needs.
    """

    needs: tuple[str, ...]
    unit: str
    words: str


KINDS: dict[str, KindSpec] = {
    "log_amount": KindSpec((), "log(1+amount)", "amount"),
    "amount_beyond": KindSpec(
        ("quantile",), "log ratio", "amount beyond the {quantile} quantile so far"
    ),
    "amount_exceeds": KindSpec(("quantile",), "0/1", "amount above the {quantile} quantile so far"),
    "hour_sin": KindSpec((), "-1..1", "time of day (sine)"),
    "hour_cos": KindSpec((), "-1..1", "time of day (cosine)"),
    "is_night": KindSpec((), "0/1", "between 0 and 6 o'clock"),
    "is_weekend": KindSpec((), "0/1", "Saturday or Sunday"),
    "count": KindSpec(("entity", "scale"), "log(1+count)", "attempts by this {entity} in {scale}"),
    "total": KindSpec(("entity", "scale"), "log(1+amount)", "spent by this {entity} in {scale}"),
    "approved_count": KindSpec(
        ("entity", "approved_scale"),
        "log(1+count)",
        "approved attempts by this {entity} in {approved_scale}",
    ),
    "amount_to_mean": KindSpec(
        ("entity", "scale"), "log ratio", "amount against the {entity}'s mean in {scale}"
    ),
    "amount_to_largest": KindSpec(
        ("entity",), "log ratio", "amount against the {entity}'s largest so far"
    ),
    "velocity": KindSpec(
        ("entity", "scale", "long_scale"),
        "log ratio",
        "pace of this {entity} in {scale} against {long_scale}",
    ),
    "time_since_last": KindSpec(
        ("entity",), "log(1+seconds)", "time since the {entity} was last seen"
    ),
    "is_new": KindSpec(("entity",), "0/1", "first time this {entity} is seen"),
    "first_meeting": KindSpec(
        ("entity", "other"), "0/1", "first time this {entity} meets this {other}"
    ),
    "fraud_rate": KindSpec(
        ("entity", "label_scale"),
        "log odds",
        "known fraud rate of this {entity} in {label_scale}",
    ),
    "fraud_count": KindSpec(
        ("entity", "label_scale"),
        "log(1+count)",
        "known frauds of this {entity} in {label_scale}",
    ),
    "fraud_recency": KindSpec(
        ("entity", "label_scale"),
        "exp(-time/scale)",
        "how recent the last known fraud of this {entity} is, over {label_scale}",
    ),
    "legitimate_recency": KindSpec(
        ("entity", "label_scale"),
        "exp(-time/scale)",
        "how recent the last known legitimate payment of this {entity} is, over {label_scale}",
    ),
    "fraud_is_latest": KindSpec(
        ("entity",), "0/1", "the last known label of this {entity} is fraud"
    ),
    "fraud_run": KindSpec(
        ("entity",), "log(1+count)", "run of known frauds at this {entity} without a legitimate one"
    ),
    "numeric": KindSpec(("column",), "as given", "{column}"),
    "category": KindSpec(("column", "bucket"), "0/1", "{column} in bucket {bucket}"),
}
OPCODES = {kind: code for code, kind in enumerate(KINDS)}
CATEGORY_BUCKETS = 8


def seconds(text: str, where: str = "scale") -> int:
    """A time scale in seconds.

    >>> seconds("90s"), seconds("7d")
    (90, 604800)
    """
    number, unit = text[:-1], text[-1:]
    if unit not in UNITS_S or not number.isdigit() or int(number) == 0:
        raise ConfigError(f"{text!r} is not a time scale", field=where, fix='e.g. "1h" or "30d"')
    return int(number) * UNITS_S[unit]


@dataclass(frozen=True)
class Entity:
    """The counters that one kind of entity carries; every scale in seconds, each tuple may be empty."""

    name: str
    scales: tuple[str, ...] = ()
    approved_scales: tuple[str, ...] = ()
    label_scales: tuple[str, ...] = ()


@dataclass(frozen=True)
class Feature:
    """One declared feature: its kind and what the kind needs."""

    kind: str
    options: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Unique within a list.

        >>> Feature("count", (("entity", "card"), ("scale", "1d"))).name
        'count:card:1d'
        """
        return ":".join([self.kind, *(value for _, value in self.options)])

    @property
    def words(self) -> str:
        """What it is, for a person."""
        return KINDS[self.kind].words.format(**dict(self.options))

    @property
    def unit(self) -> str:
        """Of its value."""
        return KINDS[self.kind].unit


@dataclass(frozen=True)
class FeatureList:
    """The features of one data set, in order; part of the model's version.

    Args:
        entities: those that the data has, in the schema's order.
        numeric, categorical: names of further columns, in the schema's order.
        features: in order.
        pairs: second-degree interactions, as pairs of feature names (a square is a pair with itself).
        left_out: names declared for entities that the data does not have.
    """

    entities: tuple[Entity, ...]
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    features: tuple[Feature, ...]
    pairs: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...] = field(default=(), compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features, in order."""
        return tuple(feature.name for feature in self.features)


def load_features(
    text: str,
    entities: Sequence[str],
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
) -> FeatureList:
    """Read a TOML declaration for data that has these entities and columns.

    Raises:
        ConfigError: naming the key and the fix.

    >>> text = '''
    ... [entities.card]
    ... scales = ["1h"]
    ... [[features]]
    ... kind = "count"
    ... entity = "card"
    ... scale = "1h"
    ... [[features]]
    ... kind = "is_new"
    ... entity = "terminal"
    ... '''
    >>> found = load_features(text, entities=["card"])
    >>> found.names, found.left_out
    (('count:card:1h',), ('is_new:terminal',))
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}", field="features") from error
    unknown = set(raw) - {"entities", "features", "interactions"}
    if unknown:
        raise ConfigError(f"unknown key {min(unknown)!r}", field="features", fix="remove it")
    declared = {name: _entity(name, given) for name, given in raw.get("entities", {}).items()}
    present, left_out = [], []
    for index, given in enumerate(raw.get("features", [])):
        for feature in _expand(given, f"features[{index}]"):
            options = dict(feature.options)
            wanted = [options[key] for key in ("entity", "other") if key in options]
            if set(wanted) - set(entities):
                left_out.append(feature.name)
                continue
            _check_scales(feature, declared, f"features[{index}]")
            present.append(feature)
    present += [Feature("numeric", (("column", name),)) for name in numeric]
    present += [
        Feature("category", (("column", name), ("bucket", str(bucket))))
        for name in categorical
        for bucket in range(CATEGORY_BUCKETS)
    ]
    names = [feature.name for feature in present]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(f"declared twice: {min(twice)}", field="features", fix="keep one")
    if not names:
        raise ConfigError("no feature is left", field="features", fix="declare at least one")
    return FeatureList(
        entities=tuple(declared.get(name, Entity(name)) for name in entities),
        numeric=tuple(numeric),
        categorical=tuple(categorical),
        features=tuple(present),
        pairs=_pairs(raw.get("interactions", []), names, left_out),
        left_out=tuple(left_out),
    )


def _entity(name: str, given: dict[str, Any]) -> Entity:
    unknown = set(given) - {"scales", "approved_scales", "label_scales"}
    if unknown:
        raise ConfigError(f"unknown key {min(unknown)!r}", field=f"entities.{name}")
    for key, scales in given.items():
        for scale in scales:
            seconds(scale, f"entities.{name}.{key}")
    return Entity(name, **{key: tuple(scales) for key, scales in given.items()})


def _expand(given: dict[str, Any], where: str) -> list[Feature]:
    """One feature for each combination of the lists that a declaration gives."""
    kind = given.get("kind")
    if kind not in KINDS or kind in ("numeric", "category"):
        raise ConfigError(f"unknown kind {kind!r}", field=where, fix=f"one of {sorted(KINDS)}")
    needs = KINDS[kind].needs
    # A declaration says "scale" whichever counters it reads; the kind knows which.
    keys = {
        need: "scale" if need.endswith("_scale") and need != "long_scale" else need
        for need in needs
    }
    surplus = set(given) - {"kind", *keys.values()}
    missing = set(keys.values()) - set(given)
    if surplus or missing:
        raise ConfigError(
            f"{kind} needs {sorted(keys.values())}", field=where, fix="give just these keys"
        )
    choices = []
    for need, key in keys.items():
        values = given[key] if isinstance(given[key], list) else [given[key]]
        choices.append([(need, str(value)) for value in values])
    return [Feature(kind, options) for options in itertools.product(*choices)]


def _check_scales(feature: Feature, declared: dict[str, Entity], where: str) -> None:
    options = dict(feature.options)
    entity = declared.get(options.get("entity", ""))
    attributes = {
        "scale": "scales",
        "long_scale": "scales",
        "label_scale": "label_scales",
        "approved_scale": "approved_scales",
    }
    for need, attribute in attributes.items():
        if need not in options:
            continue
        have = getattr(entity, attribute) if entity else ()
        if options[need] not in have:
            raise ConfigError(
                f"{feature.name} reads {options[need]}, but the entity keeps {list(have)}",
                field=where,
                fix=f"add it to entities.{options['entity']}.{attribute}",
            )
    if "quantile" in options and not 0.0 < float(options["quantile"]) < 1.0:
        raise ConfigError("must be between 0 and 1", field=f"{where}.quantile")


def _pairs(
    given: list[list[str]], names: list[str], left_out: list[str]
) -> tuple[tuple[str, str], ...]:
    """Declared interactions between features that are there; `*` at the end matches a prefix."""
    pairs: dict[tuple[str, str], None] = {}
    for index, declared in enumerate(given):
        where = f"interactions[{index}]"
        if len(declared) != 2:
            raise ConfigError("an interaction is a pair", field=where, fix='["a", "b"]')
        sides = [_matching(pattern, names, left_out, where) for pattern in declared]
        for left, right in itertools.product(*sides):
            if names.index(left) <= names.index(right):
                pairs[left, right] = None
            else:
                pairs[right, left] = None
    return tuple(pairs)


def _matching(pattern: str, names: list[str], left_out: list[str], where: str) -> list[str]:
    def matches(name: str) -> bool:
        return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern

    found = [name for name in names if matches(name)]
    # A pattern may match nothing (data without that column); a name that is spelled out must exist.
    if not found and not pattern.endswith("*") and not any(matches(name) for name in left_out):
        raise ConfigError(f"no feature is called {pattern!r}", field=where)
    return found
