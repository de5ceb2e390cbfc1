"""Noise, importance and sampling: by hand, and against the truth by expectation and by simulation."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from fraud_system.errors import ConfigError
from fraud_system.strategies import (
    Examples,
    LearningSettings,
    corrected_for_noise,
    logit_shift,
    sampled,
    weighted,
)


def plain(target, curve=None) -> Examples:
    target = np.asarray(target, float)
    return Examples(
        np.arange(len(target)), np.ones(len(target)) if curve is None else curve, target
    )


def test_no_noise_and_no_propensity_change_nothing() -> None:
    given = plain([0.0, 1.0, 0.0])
    assert corrected_for_noise(given, 0.0, 0.0) is given
    kept = weighted(given, np.ones(3), weight_cap=20.0)
    assert kept.curve.tobytes() == given.curve.tobytes()
    assert kept.target.tobytes() == given.target.tobytes()
    assert sampled(given, np.arange(3).astype(np.uint64), 1.0) is given


@pytest.mark.parametrize(("false", "missed"), [(0.01, 0.2), (0.2, 0.0), (0.0, 0.4)])
@pytest.mark.parametrize("is_fraud", [0.0, 1.0])
def test_the_corrected_label_is_right_on_average(false, missed, is_fraud) -> None:
    """Natarajan et al. 2013, lemma 1: the expectation over the noise is the loss of the true label."""
    reported = 1.0 - missed if is_fraud else false
    target = corrected_for_noise(plain([0.0, 1.0]), false, missed).target
    assert (1.0 - reported) * target[0] + reported * target[1] == pytest.approx(is_fraud)
    # In two terms it is the same: the second, when it comes, adds the difference.
    second = corrected_for_noise(plain([1.0], np.zeros(1)), false, missed).target
    assert target[0] + second[0] == pytest.approx(target[1])


def test_corrected_labels_give_back_the_truth_that_noisy_ones_hide() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=300_000)
    is_fraud = draw.random(len(x)) < expit(-1.0 + x)
    noisy = np.where(is_fraud, draw.random(len(x)) >= 0.3, draw.random(len(x)) < 0.1)
    assert newton(x, plain(noisy)) != pytest.approx([-1.0, 1.0], abs=0.1)
    assert newton(x, corrected_for_noise(plain(noisy), 0.1, 0.3)) == pytest.approx(
        [-1.0, 1.0], abs=0.04
    )


def newton(x: np.ndarray, examples: Examples) -> list[float]:
    """Intercept and slope where the gradient of the sum of the losses is zero."""
    rows = np.column_stack([np.ones(len(x)), x])[examples.ordinal]
    weight = np.zeros(2)
    for _ in range(30):
        said = expit(rows @ weight)
        slope = rows.T @ (examples.curve * said - examples.target)
        bend = (rows * (examples.curve * said * (1.0 - said))[:, None]).T @ rows
        weight -= np.linalg.solve(bend, slope)
    return weight.tolist()


def test_propensities_weigh_for_those_who_cannot_be_seen() -> None:
    """Labels of the risky half are seen one time in ten; weights make up for it, a cap does not."""
    draw = np.random.default_rng(1)
    size = 400_000
    x = draw.normal(size=size)
    # The truth is no straight line, so leaving risky ones out moves the fit.
    is_fraud = draw.random(size) < expit(-2.0 + x + 0.5 * x**2 * (x > 0))
    propensity = np.where(x > 0.0, 0.1, 1.0)
    seen = np.flatnonzero(draw.random(size) < propensity)
    examples = Examples(seen, np.ones(len(seen)), is_fraud[seen].astype(float))
    expected = newton(x, plain(is_fraud))
    assert newton(x, weighted(examples, propensity[seen], 20.0)) == pytest.approx(
        expected, abs=0.05
    )
    assert newton(x, examples) != pytest.approx(expected, abs=0.1)
    assert newton(x, weighted(examples, propensity[seen], 2.0)) != pytest.approx(expected, abs=0.1)
    oracle = LogisticRegression(C=np.inf, tol=1e-8)
    oracle.fit(x[seen, None], is_fraud[seen], sample_weight=1.0 / propensity[seen])
    found = newton(x, weighted(examples, propensity[seen], 20.0))
    assert found == pytest.approx([oracle.intercept_[0], oracle.coef_[0, 0]], abs=1e-3)


@pytest.mark.parametrize("apart", [False, True], ids=["whole", "second terms apart"])
def test_sampling_divides_the_odds_and_keeps_the_slope(apart: bool) -> None:
    draw = np.random.default_rng(2)
    x = draw.normal(size=400_000)
    is_fraud = draw.random(len(x)) < expit(-3.0 + x)
    examples = plain(is_fraud)
    if apart:
        frauds = np.flatnonzero(is_fraud)
        examples = Examples(
            np.append(np.arange(len(x)), frauds),
            np.append(np.ones(len(x)), np.zeros(len(frauds))),
            np.append(np.zeros(len(x)), np.ones(len(frauds))),
        )
    kept = sampled(examples, examples.ordinal.astype(np.uint64) + np.uint64(1), 0.1)
    intercept, slope = newton(x, kept)
    assert intercept + logit_shift(0.1) == pytest.approx(-3.0, abs=0.06)
    assert slope == pytest.approx(1.0, abs=0.04)
    assert len(kept.ordinal) < 0.2 * len(examples.ordinal)


def test_the_sampled_prevalence_is_the_prevalence_of_the_sample() -> None:
    settings = LearningSettings(keep_legitimate=0.1)
    assert logit(settings.sampled_prevalence(0.005)) + logit_shift(0.1) == pytest.approx(
        logit(0.005)
    )
    assert LearningSettings().sampled_prevalence(0.005) == 0.005


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("strategy", {"strategy": "wait"}),
        ("keep_legitimate", {"keep_legitimate": 0.0}),
        ("keep_legitimate", {"keep_legitimate": float("nan")}),
        ("keep_legitimate", {"keep_legitimate": True}),
        ("keep_legitimate", {"keep_legitimate": 0.5, "false_fraud_share": 0.1}),
        ("false_fraud_share", {"false_fraud_share": -0.1}),
        ("missed_fraud_share", {"missed_fraud_share": 0.9, "false_fraud_share": 0.1}),
        ("weight_cap", {"weight_cap": 0.5}),
        ("weight_cap", {"weight_cap": "20"}),
    ],
)
def test_what_cannot_be_learned_with_is_refused(field: str, given: dict) -> None:
    with pytest.raises(ConfigError) as refused:
        LearningSettings(**given)
    assert refused.value.field == f"learning.{field}"
