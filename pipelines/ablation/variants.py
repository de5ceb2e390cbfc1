"""What is compared: everything, groups left out, interactions left out or added, settings moved."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from fraud_system.features.declaration import Feature, FeatureList
from fraud_system.settings import Settings

EVERYTHING = "everything"
# What a feature belongs to, by its kind. Where it is about an entity, each entity has a group of its own.
GROUP_OF_KIND = {
    "log_amount": "logarithm of the amount",
    "amount_beyond": "amount beyond quantiles",
    "amount_exceeds": "amount above quantiles",
    "hour_sin": "calendar",
    "hour_cos": "calendar",
    "is_night": "calendar",
    "is_weekend": "calendar",
    "count": "counts",
    "total": "sums of amounts",
    "approved_count": "approved counts",
    "amount_to_mean": "amount against habit",
    "amount_to_largest": "amount against habit",
    "velocity": "pace",
    "time_since_last": "pace",
    "is_new": "first times",
    "first_meeting": "first times",
    "fraud_rate": "label rates",
    "fraud_count": "label rates",
    "fraud_recency": "recency of labels",
    "legitimate_recency": "recency of labels",
    "fraud_is_latest": "run of frauds",
    "fraud_run": "run of frauds",
    "fraud_run_older": "age of the run",
    "amount_to_legitimate": "amount against the largest legitimate",
    "amount_beyond_legitimate": "amount against the largest legitimate",
    "numeric": "own columns",
    "category": "own columns",
}
# Sides that candidate interactions are made of: each with every feature.
CANDIDATE_SIDES = (
    "log_amount",
    "amount_to_mean:card:30d",
    "amount_to_legitimate:card",
    "fraud_recency:terminal:7d",
    "fraud_is_latest:terminal",
    "fraud_is_latest:card",
)
# One step up and down is this factor.
STEPS = {
    "laplace": {"memory_labels": 2.0, "prior_precision": 2.0, "squash_limit": 1.5},
    "baseline": {"learning_rate": 2.0, "intercept_learning_rate": 2.0, "squash_limit": 1.5},
}


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Args:
        part: of the table.
        name: of the row.
        settings: what is learned under.
    """

    part: str
    name: str
    settings: Settings


def variants_of(settings: Settings, each_feature: bool = False) -> list[Variant]:
    """Everything that is compared, the first with all that is declared.

    Args:
        settings: the declared features, interactions and the model.
        each_feature: whether every feature is left out on its own, too.
    """
    settings = replace(settings, rules=())  # they may read features that are left out
    found = [Variant("", EVERYTHING, settings)]
    found += _without_features("groups of features left out", groups_of(settings), settings)
    if each_feature:
        alone = {name: [name] for name in settings.features.names}
        found += _without_features("features left out", alone, settings)
    found += _without_pairs(settings)
    found += _with_candidates(settings)
    found += _moved(settings)
    return found


def group_of(feature: Feature) -> str:
    """The group that a feature belongs to.

    >>> group_of(Feature("count", (("entity", "card"), ("scale", "1d")))), group_of(Feature("is_night"))
    ('card: counts', 'calendar')
    """
    entity = dict(feature.options).get("entity")
    group = GROUP_OF_KIND[feature.kind]
    return group if entity is None else f"{entity}: {group}"


def groups_of(settings: Settings) -> dict[str, list[str]]:
    """The names of the features in each group, in the order of the list."""
    found: dict[str, list[str]] = {}
    for feature in settings.features.features:
        found.setdefault(group_of(feature), []).append(feature.name)
    return found


def without(features: FeatureList, names: Iterable[str]) -> FeatureList:
    """The list without some features and without every interaction that they are a side of."""
    out = set(names)
    return replace(
        features,
        features=tuple(each for each in features.features if each.name not in out),
        pairs=tuple(pair for pair in features.pairs if not out & set(pair)),
    )


def pair_groups(features: FeatureList) -> dict[str, list[tuple[str, str]]]:
    """Interactions by what they are of: all buckets of a categorical column are one side."""
    side = {each.name: each.name for each in features.features}
    side |= {each.name: _column_of(each) for each in features.features if each.kind == "category"}
    found: dict[str, list[tuple[str, str]]] = {}
    for left, right in features.pairs:
        found.setdefault(f"{side[left]} x {side[right]}", []).append((left, right))
    return found


def _column_of(feature: Feature) -> str:
    return f"category:{dict(feature.options)['column']}"


def _without_features(
    part: str, groups: dict[str, list[str]], settings: Settings
) -> Iterator[Variant]:
    for group, names in groups.items():
        if len(names) < len(settings.features.names):
            left = without(settings.features, names)
            yield Variant(part, f"without {group}", replace(settings, features=left))


def _without_pairs(settings: Settings) -> Iterator[Variant]:
    part, features = "interactions left out", settings.features
    groups = pair_groups(features)
    for group, pairs in groups.items():
        left = tuple(pair for pair in features.pairs if pair not in pairs)
        yield Variant(part, f"without {group}", _with_pairs(settings, left))
    if groups:
        yield Variant(part, "without any interaction", _with_pairs(settings, ()))


def _with_candidates(settings: Settings) -> Iterator[Variant]:
    names = settings.features.names
    declared = set(settings.features.pairs)
    for side in CANDIDATE_SIDES:
        if side not in names:
            continue
        place = names.index(side)
        pairs = [(min(place, other), max(place, other)) for other in range(len(names))]
        new = [(names[left], names[right]) for left, right in pairs]
        added = tuple(pair for pair in new if pair not in declared)
        yield Variant(
            "interactions added",
            f"with {side} x everything",
            _with_pairs(settings, settings.features.pairs + added),
        )


def _with_pairs(settings: Settings, pairs: tuple[tuple[str, str], ...]) -> Settings:
    return replace(settings, features=replace(settings.features, pairs=pairs))


def _moved(settings: Settings) -> Iterator[Variant]:
    for name, factor in STEPS[settings.model.kind].items():
        value = getattr(settings.model, name)
        for sign, moved in (("x", value * factor), ("/", value / factor)):
            model = replace(settings.model, **{name: moved})
            yield Variant(
                "settings moved", f"{name} {sign} {factor:g}", replace(settings, model=model)
            )
    switched = replace(settings.recalibration, enabled=not settings.recalibration.enabled)
    yield Variant(
        "settings moved",
        f"{'with' if switched.enabled else 'without'} recalibration",
        replace(settings, recalibration=switched),
    )
