"""The label audit against cleanlab called directly, and against planted noise whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from cleanlab.rank import get_label_quality_scores, order_label_issues
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.audit import evidence_from, opinions, planted, precision_at
from fraud_system.simulate import SCENARIOS
from pipelines.audit.evidence import Evidence
from pipelines.audit.hindsight import hindsight_probability
from pipelines.audit.ranking import label_quality, ranked_labels
from pipelines.system_settings import SCHEMAS, read_schema, settings_of

RATE = 0.005


@pytest.fixture(scope="module")
def noisy() -> Evidence:
    """The small scenario, 30 days long, with half a percent of false reports."""
    scenario = planted(replace(SCENARIOS["small"], days=30), RATE)
    return evidence_from(scenario, 2, settings_of(read_schema(SCHEMAS / "simulated.toml")))


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 1.0)), min_size=1, max_size=30))
def test_quality_is_the_probability_of_the_label(rows: list[tuple[bool, float]]) -> None:
    """Self-confidence in closed form; also where every label is of one class."""
    is_fraud = np.array([label for label, _ in rows])
    probability = np.array([p for _, p in rows])
    expected = np.where(is_fraud, probability, 1.0 - probability)
    np.testing.assert_allclose(label_quality(is_fraud, probability), expected, atol=1e-15)


def test_the_ranking_is_cleanlabs_own(noisy: Evidence) -> None:
    rows = np.flatnonzero(noisy.labelled)
    served = noisy.predictions["probability"].to_numpy()
    labels = noisy.is_fraud[rows].astype(int)
    both = np.column_stack([1.0 - served[rows], served[rows]])
    ranked = ranked_labels(noisy, served)
    scores = get_label_quality_scores(labels, both)
    np.testing.assert_allclose(ranked["label_quality"], np.sort(scores))
    order = order_label_issues(np.ones(len(rows), bool), labels, both)
    np.testing.assert_allclose(scores[order], ranked["label_quality"])


def test_planted_false_reports_are_found(noisy: Evidence) -> None:
    """Fixed seeds, so it gives the same every time; the margins leave room for other versions."""
    hindsight = hindsight_probability(noisy, np.random.default_rng(2))
    at = {
        name: precision_at(noisy, probability, says_fraud=True)
        for name, probability in opinions(noisy, hindsight).items()
    }
    rows = noisy.labelled & noisy.is_fraud
    wrong = ~noisy.predictions["true_is_fraud"].to_numpy(bool)
    by_chance = wrong[rows].mean()
    assert at["hindsight"][0] >= 0.8 * at["oracle"][0]
    assert at["hindsight"][1] >= 0.8 * at["oracle"][1]
    assert at["hindsight"][0] > by_chance + 0.15
    assert at["hindsight"][0] > at["served"][0]


def test_the_oracle_is_only_in_the_benchmark(noisy: Evidence) -> None:
    """The audit gives the same whatever the truth's columns say: it never reads them."""
    blind = noisy.predictions.drop(columns=["true_probability", "true_is_fraud", "fraud_kind"])
    np.testing.assert_array_equal(
        hindsight_probability(noisy, np.random.default_rng(5)),
        hindsight_probability(noisy._replace(predictions=blind), np.random.default_rng(5)),
    )
