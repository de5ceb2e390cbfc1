"""The feature list: declared once, in TOML. It gives names, units and order.

    [entities.card]
    scales = ["1h", "1d", "7d"]          # decayed counters of attempts
    approved_scales = ["1d"]             # the same, of approved attempts only
    label_scales = ["7d", "30d"]         # decayed counters of resolved labels

    [[features]]
    kind = "count"                       # one of `kinds.KINDS`
    entity = "card"
    scale = ["1h", "1d"]                 # a list stands for one feature each

A feature whose entity the data does not have is left out (`FeatureList.left_out` names it), so one
list serves data with cards, with terminals, with both and with neither. Numeric columns follow the
declared features as they are, categorical ones as `CATEGORY_BUCKETS` hashed 0/1 features each.
"""

import itertools
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fraud_system.errors import ConfigError
from fraud_system.features.kinds import CATEGORY_BUCKETS, KINDS, OPCODES, KindSpec
from fraud_system.features.options import choices
from fraud_system.features.scales import in_words, seconds
from fraud_system.toml_section import suggestion

__all__ = [
    "CATEGORY_BUCKETS",
    "KINDS",
    "OPCODES",
    "Entity",
    "Feature",
    "FeatureList",
    "KindSpec",
    "load_features",
    "seconds",
]

COUNTERS = ("scales", "approved_scales", "label_scales")
# Which of an entity's counters each need reads.
COUNTERS_OF_NEED = {
    "scale": "scales",
    "long_scale": "scales",
    "label_scale": "label_scales",
    "approved_scale": "approved_scales",
}


@dataclass(frozen=True)
class Entity:
    """The counters that one kind of entity carries, as time scales; each tuple may be empty."""

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
        """What it is, for a person.

        >>> Feature("count", (("entity", "card"), ("scale", "7d"))).words
        'attempts by this card in 7 days'
        """
        said = {need: _option_in_words(need, given) for need, given in self.options}
        return KINDS[self.kind].words.format(**said)

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
    except ValueError as error:  # of TOML, or of a number with thousands of digits
        raise ConfigError(f"not TOML: {error}", field="features") from error
    for key in raw:
        if key not in ("entities", "features", "interactions"):
            raise ConfigError(f"unknown key {key!r}", field="features", fix="remove it")
    tables = _expect(raw.get("entities", {}), dict, "entities", "write [entities.card]")
    declared = {name: _entity(name, given) for name, given in tables.items()}
    present: list[Feature] = []
    left_out: list[str] = []
    listed = _expect(raw.get("features", []), list, "features", "write [[features]]")
    for index, given in enumerate(listed):
        where = f"features[{index}]"
        for feature in _expand(_expect(given, dict, where, "write [[features]]"), where):
            options = dict(feature.options)
            wanted = {options[key] for key in ("entity", "other") if key in options}
            if wanted - set(entities):
                left_out.append(feature.name)
            else:
                _check(feature, declared, where)
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


def _expect(given: Any, kind: type, where: str, fix: str) -> Any:
    if not isinstance(given, kind):
        words = "a table" if kind is dict else "a list"
        raise ConfigError(f"must be {words}, not {given!r}", field=where, fix=fix)
    return given


def _entity(name: str, given: Any) -> Entity:
    where = f"entities.{name}"
    for key, scales in _expect(given, dict, where, f"write [{where}]").items():
        if key not in COUNTERS:
            raise ConfigError(f"unknown key {key!r}", field=where, fix=suggestion(key, COUNTERS))
        here = f"{where}.{key}"
        seen = set()
        for scale in _expect(scales, list, here, f'write {key} = ["1d"]'):
            span_s = seconds(str(scale), here)
            if span_s in seen:
                raise ConfigError(f"{scale} is there twice", field=here, fix="keep one")
            seen.add(span_s)
    return Entity(name, **{key: tuple(scales) for key, scales in given.items()})


def _expand(given: dict[str, Any], where: str) -> list[Feature]:
    """One feature for each combination of the lists that a declaration gives."""
    kind = given.get("kind")
    declarable = [each for each in KINDS if each not in ("numeric", "category")]
    if kind not in declarable:
        fix = suggestion(str(kind), declarable)
        raise ConfigError(f"unknown kind {kind!r}", field=f"{where}.kind", fix=fix)
    # A declaration says "scale" whichever counters it reads; the kind knows which.
    keys = {
        need: "scale" if need in ("label_scale", "approved_scale") else need
        for need in KINDS[kind].needs
    }
    if set(given) != {"kind", *keys.values()}:
        wanted = ", ".join(keys.values()) or "nothing else"
        raise ConfigError(f"{kind} needs {wanted}", field=where, fix="give just these keys")
    values = [
        [(need, value) for value in choices(given[key], key, f"{where}.{key}")]
        for need, key in keys.items()
    ]
    return [Feature(kind, options) for options in itertools.product(*values)]


def _check(feature: Feature, declared: dict[str, Entity], where: str) -> None:
    """The entity keeps what the feature reads, and the feature can vary."""
    options = dict(feature.options)
    name = options.get("entity", "")
    for need, counters in COUNTERS_OF_NEED.items():
        have = getattr(declared.get(name, Entity(name)), counters)
        if need in options and options[need] not in have:
            raise ConfigError(
                f"{feature.name} reads {options[need]}, but the entity keeps {list(have)}",
                field=f"{where}.{'long_scale' if need == 'long_scale' else 'scale'}",
                fix=f"add it to entities.{name}.{counters}",
            )
    if "long_scale" in options and seconds(options["long_scale"]) <= seconds(options["scale"]):
        raise ConfigError("must be longer than scale", field=f"{where}.long_scale")
    if options.get("other") == name:
        raise ConfigError("must be another entity", field=f"{where}.other")


def _pairs(given: Any, names: list[str], left_out: list[str]) -> tuple[tuple[str, str], ...]:
    """Declared interactions between features that are there; `*` at the end matches a prefix."""
    position = {name: index for index, name in enumerate(names)}
    pairs: dict[tuple[str, str], None] = {}
    for index, declared in enumerate(_expect(given, list, "interactions", 'write [["a", "b"]]')):
        where = f"interactions[{index}]"
        usable = isinstance(declared, list) and all(isinstance(each, str) for each in declared)
        if not usable or len(declared) != 2:
            raise ConfigError("an interaction is a pair", field=where, fix='["a", "b"]')
        sides = [_matching(pattern, names, left_out, where) for pattern in declared]
        for left, right in itertools.product(*sides):
            earlier, later = sorted((left, right), key=position.__getitem__)
            pairs[earlier, later] = None
    return tuple(pairs)


def _matching(pattern: str, names: list[str], left_out: list[str], where: str) -> list[str]:
    def matches(name: str) -> bool:
        return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern

    found = [name for name in names if matches(name)]
    # A pattern may match nothing (data without that column); a name that is spelled out must exist.
    if not found and not pattern.endswith("*") and not any(matches(name) for name in left_out):
        fix = suggestion(pattern, names)
        raise ConfigError(f"no feature is called {pattern!r}", field=where, fix=fix)
    return found


def _option_in_words(need: str, given: str) -> str:
    if need == "age" or need.endswith("scale"):
        return in_words(given)
    return f"{100.0 * float(given):g} %" if need == "quantile" else given
