"""The sentences of the report say what the figures carry, and no more."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.report import calibration_words, formats, words


@pytest.fixture(scope="module")
def metrics(evaluated_run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((evaluated_run / "metrics.json").read_text())
    return content


def _period(metrics: dict[str, Any], **changes: Any) -> dict[str, Any]:
    period = copy.deepcopy(metrics["calibration"]["periods"][1])
    for path, value in changes.items():
        place: Any = period
        *parts, last = path.split("__")
        for part in parts:
            place = place[part]
        place[last] = value
    return period


def _ratio(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


WIDE, ABOVE = _ratio(1.14, 0.97, 1.37), _ratio(1.09, 1.01, 1.17)
HIGH, RIGHT, LOW = _ratio(1.3, 1.1, 1.5), _ratio(1.0, 0.9, 1.1), _ratio(0.7, 0.6, 0.8)


@pytest.mark.parametrize(
    ("by_money", "by_count", "slope", "reason"),
    [
        (HIGH, HIGH, 1.0, "The level is too high, by count and by money."),
        (LOW, LOW, 0.5, "too low, by count and by money; also, the probabilities are too extreme"),
        (HIGH, LOW, 1.0, "by money the other way than by count"),
        (LOW, RIGHT, 1.0, "right by count, but large payments are underrated"),
        (HIGH, RIGHT, 1.0, "right by count, but large payments are overrated"),
        (RIGHT, LOW, 1.0, "right by money, but small payments are underrated"),
        (WIDE, ABOVE, 1.0, "too high by count; by money it cannot be told"),
        (ABOVE, WIDE, 1.0, "too high by money; by count it cannot be told"),
        (RIGHT, RIGHT, 1.6, "not the level: the probabilities are too timid (slope 1.60"),
        (RIGHT, RIGHT, 1.0, "not the level: too much in some bins cancels too little in others"),
    ],
)
def test_why_calibration_is_off(
    metrics: dict[str, Any],
    by_money: dict[str, float],
    by_count: dict[str, float],
    slope: float,
    reason: str,
) -> None:
    period = _period(
        metrics,
        expected_over_observed_money=by_money,
        expected_over_observed=by_count,
        calibration_line__slope=slope,
        calibration_error_money__p_value=0.002,
        calibration_error_money__relative=0.25,
    )
    finding = calibration_words.calibration_finding(period)
    assert finding.startswith("Distinguishable from zero (p = 0.002).")
    assert "off by 25\u00a0% of the fraud money expected" in finding
    assert reason in finding


def test_calibration_that_cannot_be_told_from_perfect(metrics: dict[str, Any]) -> None:
    period = _period(
        metrics, calibration_error_money__p_value=0.4, calibration_error_count__p_value=0.3
    )
    finding = calibration_words.calibration_finding(period)
    assert finding.startswith("Not distinguishable from zero (p = 0.40)")
    assert "By count" not in finding


@pytest.mark.parametrize(
    ("by_count", "slope", "said"),
    [
        (LOW, 1.0, "(p = 0.010): it expected 0.70 [0.60,\u00a00.80] times the frauds that came."),
        (RIGHT, 1.0, "the level cannot be told from 1: it expected 1.00"),
        (RIGHT, 1.0, "so too much in some bins cancels too little in others."),
        (RIGHT, 0.6, "so the probabilities are too extreme (slope 0.60, where 1 is right)."),
    ],
)
def test_an_error_by_count_is_shown_by_what_shows_it(
    metrics: dict[str, Any], by_count: dict[str, float], slope: float, said: str
) -> None:
    """An interval of expected / seen that holds 1 is no evidence of an error, and not offered as such."""
    period = _period(
        metrics,
        calibration_error_money__p_value=0.4,
        calibration_error_count__p_value=0.01,
        expected_over_observed=by_count,
        calibration_line__slope=slope,
    )
    finding = calibration_words.calibration_finding(period)
    assert "By count the error can be told from chance (p = 0.010)" in finding
    assert said in finding
    assert ("cannot be told from 1" in finding) == (by_count is RIGHT)


def _late(
    metrics: dict[str, Any], count: dict[str, float], late: int, strategy: str = "mature"
) -> list[str]:
    given = copy.deepcopy(metrics)
    given["headline"]["model"]["expected_over_observed"] = count
    given["headline"]["model"]["expected_over_observed_money"] = RIGHT
    given["labels"] |= {"reported_frauds": 100, "after_maturity": late, "maturity_days": 10.0}
    given["labels"]["strategy"] = strategy
    found = words.late_reports(given)
    assert all(sentence in words.in_short(given) for sentence in found)
    return [sentence.replace("\u00a0", " ") for sentence in found]


def test_late_reports_are_named_where_too_little_was_expected(metrics: dict[str, Any]) -> None:
    assert _late(metrics, LOW, late=50, strategy="delay_matched") == []
    # 50 late of 100: each counted 1.5 times over, so down to 1 / 1.5 = 0.67 at most.
    (sentence,) = _late(metrics, LOW, late=50)
    assert "The main cause is late reports: 50 % of the fraud reports (50 of 100)" in sentence
    assert "the 10 days in which a transaction matures" in sentence
    (sentence,) = _late(metrics, LOW, late=20)  # 1 / 1.2 = 0.83: not enough for 0.70
    assert "One cause is late reports, not the only one: 20 %" in sentence


def test_late_reports_are_not_blamed_for_what_they_did_not_do(metrics: dict[str, Any]) -> None:
    assert _late(metrics, RIGHT, late=50) == []
    assert _late(metrics, HIGH, late=50) == []
    assert _late(metrics, LOW, late=5) == []


def test_in_short_gives_the_p_value_of_everything_beside_those_of_the_periods(
    metrics: dict[str, Any],
) -> None:
    said = words.in_short(metrics)
    periods = {period["role"]: period for period in metrics["calibration"]["periods"]}
    for role in ("all", "before", "after"):
        (sentence,) = [
            each for each in said if each.startswith(calibration_words.title(periods[role]))
        ]
        p = periods[role]["calibration_error_money"]["p_value"]
        assert f"p = {formats.p_value(p)}" in sentence


def test_a_drift_too_late_to_be_judged_is_said(metrics: dict[str, Any]) -> None:
    late = copy.deepcopy(metrics)
    late["calibration"]["periods"] = [
        period for period in late["calibration"]["periods"] if period["role"] != "after"
    ]
    assert words.missing_after_drift(metrics) == []
    (sentence,) = words.missing_after_drift(late)
    assert sentence.startswith("Calibration after the drift cannot be judged")
    assert sentence in words.in_short(late)


def test_a_gain_that_is_a_loss_is_called_so() -> None:
    gain = {
        "over_heuristic": _ratio(-0.1, -0.15, -0.05),
        "over_constant": _ratio(0.01, -0.01, 0.02),
    }
    sentence = words.paired_gain(gain).replace("\u00a0", " ")
    assert "10 % [5 %, 15 %] above the heuristic's" in sentence
    assert "1 % below (by an interval that holds 0) the constant rate's" in sentence
