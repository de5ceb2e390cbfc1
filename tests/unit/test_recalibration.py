"""The line through served log odds: identity at the start, and where it goes when a model is off."""

import dataclasses
import itertools

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit

from fraud_system.errors import ConfigError
from fraud_system.models.recalibration import (
    LARGEST_OFFSET,
    SLOPES,
    Recalibration,
    RecalibrationSettings,
)

ON = RecalibrationSettings(enabled=True)
FREE = RecalibrationSettings(True, 1e-6, 1e-6, float("inf"))


def served_stream(rows, offset, slope, seed, rate=-4.0):
    """Log odds of a model whose truth is offset + slope * log odds, and labels drawn from the truth."""
    generator = np.random.default_rng(seed)
    log_odds = generator.normal(rate, 1.5, rows)
    return log_odds, (generator.random(rows) < expit(offset + slope * log_odds)).astype(float)


def learned(settings, log_odds, labels, block_labels=250):
    stage = Recalibration(settings, block_labels)
    stage.learn(log_odds, np.ones(len(labels)), labels)
    return stage


def test_it_is_the_identity_at_the_start_and_while_it_is_off():
    assert Recalibration(ON).line().tolist() == [0.0, 1.0]
    off = dataclasses.replace(ON, enabled=False)
    assert learned(off, *served_stream(5_000, 1.0, 0.5, 1)).line().tolist() == [0.0, 1.0]


@pytest.mark.parametrize(("offset", "slope"), [(0.0, 1.0), (0.7, 1.0), (-0.4, 0.8), (0.3, 1.3)])
def test_it_finds_the_line_that_statsmodels_finds(offset, slope):
    log_odds, labels = served_stream(60_000, offset, slope, seed=2)
    line = learned(FREE, log_odds, labels).line()
    fitted = sm.GLM(labels, sm.add_constant(log_odds), family=sm.families.Binomial()).fit()
    assert np.abs((line - fitted.params) / fitted.bse).max() < 0.5
    assert np.abs((line - [offset, slope]) / fitted.bse).max() < 4.0


def test_what_is_true_stays_nearly_as_it_is():
    spreads = [
        np.abs(learned(ON, *served_stream(50_000, 0.0, 1.0, seed)).line() - [0.0, 1.0])
        for seed in range(5)
    ]
    assert np.max(spreads) < 0.15


def test_it_forgets():
    before = served_stream(100_000, 0.0, 1.0, seed=3)
    after = served_stream(100_000, 1.0, 1.0, seed=4)
    log_odds, labels = (np.concatenate(both) for both in zip(before, after, strict=True))
    lasting = dataclasses.replace(ON, memory_labels=float("inf"))
    found = {s.memory_labels: learned(s, log_odds, labels).line()[0] for s in (ON, lasting)}
    assert found[50_000.0] > 0.75
    assert found[float("inf")] < 0.7


def test_the_line_stays_within_its_bounds():
    always = learned(FREE, np.full(5_000, -20.0), np.ones(5_000))
    assert always.line()[0] <= LARGEST_OFFSET
    inverted = learned(FREE, *served_stream(20_000, -8.0, -1.0, seed=5))
    assert inverted.line()[1] == SLOPES[0]


def test_rows_without_log_odds_are_passed_over():
    log_odds, labels = served_stream(4_000, 0.5, 1.0, seed=6)
    gaps = np.repeat(log_odds, 2)
    gaps[1::2] = np.nan
    gaps[3::4] = -np.inf
    with_gaps = learned(ON, gaps, np.repeat(labels, 2)).line()
    assert with_gaps.tobytes() == learned(ON, log_odds, labels).line().tobytes()


def test_any_cutting_and_any_pause_gives_the_same_bytes():
    log_odds, labels = served_stream(3_000, 0.5, 0.9, seed=7)
    whole = learned(ON, log_odds, labels)
    cut = Recalibration(ON)
    for start, stop in itertools.pairwise([0, 1, 250, 777, 2_999, 3_000]):
        again = Recalibration(ON)
        again.restore(cut.to_arrays())
        cut = again
        part = slice(start, stop)
        cut.learn(log_odds[part], np.ones(stop - start), labels[part])
    assert {n: a.tobytes() for n, a in cut.to_arrays().items()} == {
        n: a.tobytes() for n, a in whole.to_arrays().items()
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("enabled", 1),
        ("offset_precision", 0.0),
        ("slope_precision", float("inf")),
        ("slope_precision", "much"),
        ("memory_labels", 9.0),
        ("memory_labels", float("nan")),
        ("memory_labels", True),
    ],
)
def test_settings_that_cannot_be_learned_with_are_refused(field, value):
    with pytest.raises(ConfigError) as caught:
        RecalibrationSettings(**{field: value})
    assert caught.value.field == f"recalibration.{field}"
