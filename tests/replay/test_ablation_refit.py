"""Learning a logged stream anew answers what a complete replay serves, to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
from streams import cut, simulated_arrivals, simulated_settings

from benchmarks.ablate import Part, measured
from fraud_system import replay
from fraud_system.errors import ConfigError
from fraud_system.events import Arrivals
from fraud_system.features.declaration import load_features
from fraud_system.ledger import MemoryLedger
from fraud_system.merged_frames import joined
from fraud_system.models.model_settings import LaplaceSettings
from fraud_system.models.recalibration import RecalibrationSettings
from fraud_system.settings import Settings
from fraud_system.strategies import LearningSettings
from pipelines.ablation.figures import Scene
from pipelines.ablation.logged_stream import LoggedStream, fold_once
from pipelines.ablation.refit import answered
from pipelines.ablation.variants import variants_of

SETTINGS = simulated_settings(model=LaplaceSettings(memory_labels=500.0, block_labels=40))


@pytest.fixture(scope="module")
def stream() -> Arrivals:
    return simulated_arrivals()


@pytest.fixture(scope="module")
def logged(stream: Arrivals) -> LoggedStream:
    return fold_once(stream, SETTINGS)


def served(stream: Arrivals, settings: Settings) -> np.ndarray:
    """The model's probabilities in a complete replay."""
    ledger = MemoryLedger()
    engine, learner = replay.start(settings, ledger)
    for _ in replay.run(engine, learner, ledger, cut(stream, [700])):
        pass
    assert learner.version > 5, "nothing was learned"
    return joined(ledger.frames())["decision"]["probability_model"]


@pytest.mark.parametrize(
    "name",
    [
        "everything",
        "without terminal: age of the run",
        "without log_amount x log_amount",
        "without any interaction",
        "with log_amount x everything",
        "memory_labels x 2",
    ],
)
def test_a_variant_answers_as_its_complete_replay(
    stream: Arrivals, logged: LoggedStream, name: str
) -> None:
    (chosen,) = [each.settings for each in variants_of(SETTINGS) if each.name == name]
    complete = served(stream, replace(chosen, rules=()))
    assert complete.std() > 0.0
    assert answered(logged, chosen).tobytes() == complete.tobytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"learning": LearningSettings("delay_matched")},
        {"learning": LearningSettings("fake_negative_weighted", keep_legitimate=0.5)},
        {"model": simulated_settings().model},
        {"publish_every_labels": 37},
        {"recalibration": RecalibrationSettings(enabled=True)},
    ],
    ids=str,
)
def test_so_do_other_strategies_and_models(
    stream: Arrivals, logged: LoggedStream, changes: dict
) -> None:
    settings = replace(SETTINGS, rules=(), **changes)
    assert answered(logged, settings).tobytes() == served(stream, settings).tobytes()


def test_scoring_changes_nothing(stream: Arrivals) -> None:
    ledger = MemoryLedger()
    engine, learner = replay.start(SETTINGS, ledger)
    for _ in replay.run(engine, learner, ledger, cut(stream, [700])):
        pass
    before = {name: column.tobytes() for name, column in engine.to_arrays().items()}
    decisions = joined(ledger.frames())["decision"]
    last = decisions["weights_version"] == engine.weights_version
    again = engine.score(decisions["features"][last])
    for name in ("log_odds", "probability_model", "probability", "probability_heuristic"):
        assert again[name].tobytes() == decisions[name][last].tobytes(), name
    assert {name: column.tobytes() for name, column in engine.to_arrays().items()} == before


def test_a_feature_that_was_not_logged_is_named(logged: LoggedStream) -> None:
    other = load_features('[[features]]\nkind = "log_amount"', ["card"], ["risk"])
    with pytest.raises(ConfigError, match="numeric:risk was not logged"):
        answered(logged, replace(SETTINGS, features=other, rules=()))


def test_features_of_approved_attempts_cannot_be_compared_so(stream: Arrivals) -> None:
    text = """
    [entities.card]
    approved_scales = ["1d"]
    [[features]]
    kind = "approved_count"
    entity = "card"
    scale = "1d"
    """
    features = load_features(text, ["card", "terminal"], [], ["channel"])
    with pytest.raises(ConfigError, match="approved_count:card:1d depends on the decisions"):
        fold_once(stream, replace(SETTINGS, features=features, rules=()))


def test_the_table_and_the_results_say_the_same(stream: Arrivals, logged: LoggedStream) -> None:
    draw = np.random.default_rng(0)
    count = len(logged.rows)
    is_fraud = draw.random(count) < 0.05
    scene = Scene(
        name="small",
        card=logged.transactions["entity_keys"][:, 0].astype(np.int64) % 50,
        is_fraud=is_fraud,
        chance=is_fraud.astype(np.float64),
        counted=np.arange(count) > count // 2,
    )
    part = Part("small", SETTINGS, [logged], [scene])
    lines: list[str] = []
    rows = {row.name: row for row in measured(part, variants_of(SETTINGS)[:3], lines.append)}
    assert [line.split("  ")[1] for line in lines if line.startswith("  ")] == [
        "everything",
        "without logarithm of the amount",
        "without amount beyond quantiles",
    ]
    added = rows["small: without amount beyond quantiles: log loss added"]
    loss = rows["small: without amount beyond quantiles: log loss"]
    whole = rows["small: everything: log loss"]
    assert added.value == pytest.approx(loss.value - whole.value, abs=1e-12)
    assert loss.ratio == pytest.approx(loss.value / whole.value)
    assert added.low is not None
    assert added.high is not None
    assert added.low <= added.value <= added.high
    assert f"{1e6 * added.value:+9.1f} [" in lines[-1]
    assert rows["small: everything: log loss added"].value == 0.0
