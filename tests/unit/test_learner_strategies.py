"""The learner under each strategy: no false start, the truth at the end, whatever it was sampled from."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import labels as bench
from fraud_system.errors import ConfigError
from fraud_system.learner import Learner
from fraud_system.schema import load_schema
from fraud_system.strategies import STRATEGIES, LearningSettings
from pipelines.system_settings import settings_of

STATIONARY = bench.Scenario("stationary", must_close=None)
CHOICES = [
    *(LearningSettings(name) for name in STRATEGIES),
    *(LearningSettings(name, keep_legitimate=0.2) for name in STRATEGIES),
    LearningSettings("delay_matched", false_fraud_share=0.002, missed_fraud_share=0.05),
]


def name_of(learning: LearningSettings) -> str:
    return f"{learning.strategy} {learning.keep_legitimate} {learning.missed_fraud_share}"


@pytest.fixture(scope="module")
def stream() -> bench.Stream:
    return bench.stream_of(STATIONARY, seed=21)


@pytest.mark.parametrize("learning", CHOICES, ids=name_of)
def test_the_first_answer_is_the_prevalence(learning: LearningSettings) -> None:
    settings = replace(bench.settings_of("mature"), learning=learning)
    first = Learner(settings).first_publication()
    rows = np.random.default_rng(0).normal(size=(50, len(bench.WEIGHTS)))
    said = 1.0 / (1.0 + np.exp(-bench.log_odds(first, rows)))
    assert said == pytest.approx(settings.model.prevalence)
    assert first.rates == pytest.approx(settings.model.prevalence)


@pytest.mark.parametrize("learning", CHOICES, ids=name_of)
def test_served_probabilities_and_rates_come_to_the_truth(
    learning: LearningSettings, stream: bench.Stream
) -> None:
    if learning.false_fraud_share:
        draw = np.random.default_rng(5)
        chance = draw.random(len(stream.is_fraud))
        told = np.where(stream.is_fraud, chance >= 0.05, chance < 0.002)
        stream = replace(stream, is_fraud=told)
    settings = replace(bench.settings_of("mature"), learning=learning)
    resolved = bench.resolved_of(stream, settings.labels)
    learner = Learner(settings)
    served = learner.first_publication()
    cold = served
    fresh = np.random.default_rng(1).normal(size=(4_000, len(bench.WEIGHTS)))
    truth = fresh @ stream.truth[0][:-1] + stream.truth[0][-1]
    expected = said = 0.0
    for day in range(bench.DAYS):
        due = learner.fold(bench.frame_of(stream, resolved, served, day))
        served = due[-1] if due else served
        if day >= 60:
            expected += float(np.mean(1.0 / (1.0 + np.exp(-truth))))
            said += float(np.mean(1.0 / (1.0 + np.exp(-bench.log_odds(served, fresh)))))
    at_first = bench.divergence(truth, bench.log_odds(cold, fresh))
    assert bench.divergence(truth, bench.log_odds(served, fresh)) < 0.08 * at_first
    # 4,900 frauds; the mean over 70 days of weights that move.
    assert said / expected == pytest.approx(1.0, abs=0.06)
    assert served.rates[-1] == pytest.approx(expected / 70, rel=0.1)


def test_a_logged_propensity_weighs_and_is_capped(stream: bench.Stream) -> None:
    learning = LearningSettings("mature", weight_cap=4.0)
    settings = replace(bench.settings_of("mature"), learning=learning, memory_labels=1e12)
    resolved = bench.resolved_of(stream, settings.labels)

    def labels_after(propensity: float | None) -> float:
        learner = Learner(settings)
        served = learner.first_publication()
        for day in range(32):
            frame = bench.frame_of(stream, resolved, served, day)
            if propensity is not None:
                size = len(frame.tables["decision"]["probability"])
                frame.tables["decision"]["propensity"] = np.full(size, propensity)
            learner.fold(frame)
        return float(learner.buckets.labels[-1])

    plain = labels_after(None)
    assert labels_after(1.0) == plain
    assert labels_after(0.5) == pytest.approx(2.0 * plain, rel=1e-6)
    assert labels_after(0.01) == labels_after(0.25) == pytest.approx(4.0 * plain, rel=1e-6)


SCHEMA = """
name = "mine"
[columns]
transaction_id = "id"
event_time = "time"
amount = "amount"
"""


def test_a_schema_chooses_the_strategy() -> None:
    assert settings_of(load_schema(SCHEMA, "mine.toml")).learning == LearningSettings()
    text = (
        SCHEMA + '[learning]\nstrategy = "delay_matched"\nkeep_legitimate = 0.5\nweight_cap = 3\n'
    )
    chosen = settings_of(load_schema(text, "mine.toml")).learning
    assert chosen == LearningSettings("delay_matched", keep_legitimate=0.5, weight_cap=3.0)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('strategy = "delay_match"', r"learning.strategy: .*did you mean 'delay_matched'"),
        ("keep_legitimat = 1.0", r"learning.keep_legitimat: unknown key"),
        ("keep_legitimate = 0.0", r"learning.keep_legitimate: must be from 0.0001 to 1"),
        ("keep_legitimate = 0.5\nmissed_fraud_share = 0.1", r"learning.keep_legitimate: cannot"),
    ],
)
def test_a_schema_that_chooses_wrongly_is_refused(line: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=f"mine.toml: {problem}"):
        load_schema(f"{SCHEMA}[learning]\n{line}\n", "mine.toml")
