"""Which variants there are, and what is said of their probabilities."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from streams import simulated_settings

from fraud_system.features.declaration import load_features
from fraud_system.features.kinds import KINDS
from fraud_system.metrics import average_precision, cluster_bootstrap, log_loss
from fraud_system.models.model_settings import LaplaceSettings
from pipelines.ablation.figures import Comparison, Scene
from pipelines.ablation.variants import (
    GROUP_OF_KIND,
    groups_of,
    pair_groups,
    variants_of,
    without,
)
from pipelines.evaluation.cards import Bootstrap
from pipelines.handbook.protocol import FoldSet, day_number

SETTINGS = simulated_settings(model=LaplaceSettings())
VARIANTS = {each.name: each.settings for each in variants_of(SETTINGS)}


def test_every_kind_of_feature_belongs_to_a_group() -> None:
    assert set(GROUP_OF_KIND) == set(KINDS)


def test_the_groups_share_out_all_features() -> None:
    groups = groups_of(SETTINGS)
    assert sorted(name for names in groups.values() for name in names) == sorted(
        SETTINGS.features.names
    )
    assert groups["card: pace"] == [
        "velocity:card:1h:30d",
        "velocity:card:1d:30d",
        "time_since_last:card",
    ]


def test_a_feature_goes_with_its_interactions() -> None:
    left = without(SETTINGS.features, ["log_amount"])
    assert set(SETTINGS.features.names) - set(left.names) == {"log_amount"}
    gone = set(SETTINGS.features.pairs) - set(left.pairs)
    assert gone == {pair for pair in SETTINGS.features.pairs if "log_amount" in pair}
    assert len(gone) > 1


def test_the_buckets_of_a_category_are_one_interaction() -> None:
    groups = pair_groups(SETTINGS.features)
    assert len(groups["count:card:1h x category:channel"]) == 8
    assert sum(len(pairs) for pairs in groups.values()) == len(SETTINGS.features.pairs)


def test_every_row_changes_one_thing() -> None:
    whole = VARIANTS["everything"]
    assert whole == replace(SETTINGS, rules=())
    assert len({settings.fingerprint for settings in VARIANTS.values()}) == len(VARIANTS)
    for name, settings in VARIANTS.items():
        if name == "everything":
            continue
        moved = (settings.model, settings.recalibration) != (whole.model, whole.recalibration)
        fewer = len(settings.features.names) < len(whole.features.names)
        assert not (moved and settings.features != whole.features), name
        if not moved and not fewer:
            assert settings.features.pairs != whole.features.pairs, name
    halved = VARIANTS["memory_labels / 2"].model
    assert halved == replace(whole.model, memory_labels=whole.model.memory_labels / 2)
    assert VARIANTS["without any interaction"].features.pairs == ()
    added = VARIANTS["with log_amount x everything"].features.pairs
    sides = {side for pair in added if "log_amount" in pair for side in pair}
    assert sides == set(SETTINGS.features.names)


def test_each_feature_alone_when_asked_for() -> None:
    names = [each.name for each in variants_of(SETTINGS, each_feature=True)]
    assert {f"without {name}" for name in SETTINGS.features.names} <= set(names)


def test_a_list_of_one_group_is_not_left_empty() -> None:
    one = load_features('[[features]]\nkind = "log_amount"', ["card", "terminal"])
    settings = replace(SETTINGS, features=one, rules=())
    assert not [each for each in variants_of(settings) if "left out" in each.part]


def drawn(seed: int, folds: FoldSet | None = None) -> tuple[Scene, np.ndarray]:
    """3,000 transactions of 150 cards in the three weeks of one fold, and an honest model."""
    draw = np.random.default_rng(seed)
    chance = draw.beta(0.3, 6.0, 3_000)
    day = np.sort(draw.integers(0, 21, 3_000)) + day_number(date(2018, 1, 1))
    scene = Scene(
        name=f"{seed}",
        card=draw.integers(0, 150, 3_000),
        is_fraud=draw.random(3_000) < chance,
        chance=chance,
        counted=day >= day[0] + 14,
        day=day,
        folds=folds,
    )
    return replace(scene, chance=scene.is_fraud.astype(float)), chance


def test_the_figures_are_those_of_the_metrics() -> None:
    scene, honest = drawn(1)
    other = np.clip(honest * 1.3, 1e-4, 0.99)
    counted, y = scene.counted, scene.is_fraud[scene.counted]
    worth = Comparison([scene], [honest], Bootstrap(draws=99)).worth([other])
    assert worth.log_loss == pytest.approx(log_loss(other[counted], y), rel=1e-12)

    def added(p: np.ndarray, q: np.ndarray, fraud: np.ndarray, weight: np.ndarray) -> float:
        return log_loss(p, fraud, weight=weight) - log_loss(q, fraud, weight=weight)

    columns = (other[counted], honest[counted], y)
    low, high = cluster_bootstrap(added, columns, scene.card[counted], draws=99)
    assert worth.loss_added.low == pytest.approx(low, rel=1e-9)
    assert worth.loss_added.high == pytest.approx(high, rel=1e-9)
    assert worth.worse_in == int(worth.loss_added.value > 0)
    assert worth.expected_over_observed.value == pytest.approx(other[counted].sum() / y.sum())
    assert worth.ranking["average_precision"] == average_precision(other[counted], y)
    assert worth.precision_added is None


def test_everything_beside_itself_adds_nothing() -> None:
    scene, honest = drawn(2)
    worth = Comparison([scene], [honest], Bootstrap(draws=20)).worth([honest])
    assert (worth.loss_added.value, worth.loss_added.low, worth.loss_added.high) == (0.0, 0.0, 0.0)


def test_cards_of_two_streams_are_different_cards() -> None:
    pairs = [drawn(3), drawn(4)]
    scenes, honest = [scene for scene, _ in pairs], [p for _, p in pairs]
    comparison = Comparison(scenes, honest, Bootstrap(draws=200))
    worth = comparison.worth([p * 0.5 for p in honest])
    assert worth.worse_in == 2
    each = [
        Comparison([scene], [p], Bootstrap(draws=200)).worth([p * 0.5]).loss_added
        for scene, p in pairs
    ]
    width = worth.loss_added.high - worth.loss_added.low
    assert width < 0.85 * min(one.high - one.low for one in each)


def test_the_folds_are_scored_by_the_books_protocol() -> None:
    folds = FoldSet("one", (date(2018, 1, 1),))
    scene, honest = drawn(5, folds)
    comparison = Comparison([scene], [honest], Bootstrap(draws=50))
    worth = comparison.worth([np.random.default_rng(0).permutation(honest)])
    assert set(worth.ranking) == {"roc_auc", "average_precision", "card_precision_100"}
    assert worth.precision_added is not None
    assert worth.precision_added.high < 0.0, "a shuffled model ranks worse"
    assert worth.precision_added.low <= worth.precision_added.value <= worth.precision_added.high
    # Compromised cards are left out of the ranking, not of the loss.
    in_week = scene.counted
    assert worth.ranking["average_precision"] != average_precision(
        honest[in_week], scene.is_fraud[in_week]
    )
