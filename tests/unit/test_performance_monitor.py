"""What the labels say of the model once they are in, and what the probabilities say before."""

import math
import re

import numpy as np
import pytest
from monitor_frames import stretch_of
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from fraud_system.errors import ConfigError
from fraud_system.metrics.unlabelled import expected_rates
from monitoring.expectation import Expectation, ExpectationSettings
from monitoring.findings import Level
from monitoring.performance import Performance, PerformanceSettings, wilson
from monitoring.settings import MonitorSettings
from monitoring.stretch import CohortSettings, Expected, Matured

COHORT_US = 6 * 3_600_000_000


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(("part", "total"), [(0, 5), (3, 10), (10, 10), (480, 1_000)])
def test_the_interval_is_wilsons(part, total, level):
    low, high = proportion_confint(part, total, alpha=1.0 - level, method="wilson")
    rate = wilson(float(part), float(total), 1.0, level)
    assert rate.value == part / total
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=1e-12)
    # Clusters of four are as many as a quarter of the counts.
    low, high = proportion_confint(part / 4, total / 4, alpha=1.0 - level, method="wilson")
    rate = wilson(float(part), float(total), 4.0, level)
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=1e-12)


def test_nothing_to_divide_by_is_no_number():
    assert all(map(math.isnan, vars(wilson(0.0, 0.0, 1.0, 0.95)).values()))


def cohort(draw, rows=2_000, model=lambda p: p, heuristic=lambda p: p**0.5 * 0.1):
    """One cohort with known probabilities; log losses of the model's and of plan B's version of them."""
    truth = draw.beta(0.2, 20.0, rows)
    fraud = draw.random(rows) < truth

    def loss(said):
        said = np.clip(said, 1e-9, 1.0 - 1e-9)
        return float(-np.log(np.where(fraud, said, 1.0 - said)).sum())

    return Matured(
        legitimate=float((~fraud).sum()),
        fraud=float(fraud.sum()),
        fraud_flagged=float((fraud & (truth > 0.05)).sum()),
        legitimate_flagged=float((~fraud & (truth > 0.05)).sum()),
        money=float(fraud.sum()),
        money_flagged=float((fraud & (truth > 0.05)).sum()),
        loss_model=loss(model(truth)),
        loss_heuristic=loss(heuristic(truth)),
        loss_constant=loss(np.full(rows, 0.01)),
    )


def run(performance, cohorts, first=0, dispersion=1.0):
    return [
        (number, each)
        for number, matured in enumerate(cohorts, start=first)
        for each in performance.fold(stretch_of(number, matured=matured, dispersion=dispersion))
    ]


def test_a_model_that_is_right_is_never_worse():
    draw = np.random.default_rng(1)
    performance = Performance(PerformanceSettings(), COHORT_US)
    assert run(performance, [cohort(draw) for _ in range(300)]) == []
    figures = performance.figures()
    assert figures.loss_model < figures.loss_heuristic
    assert figures.loss_model < figures.loss_constant
    assert figures.transactions == 2_000 * 28 * 4
    assert figures.recall.low < figures.recall.value < figures.recall.high
    assert figures.value_detection_rate == figures.recall.value


def test_a_model_that_is_worse_than_plan_b_is_found_and_forgiven_when_it_is_better_again():
    draw = np.random.default_rng(2)
    performance = Performance(PerformanceSettings(), COHORT_US)

    def upside_down(truth):
        return 0.02 * (1.0 - truth)

    assert run(performance, [cohort(draw) for _ in range(40)]) == []
    bad = run(performance, [cohort(draw, model=upside_down) for _ in range(40)], first=40)
    subjects = {each.subject for _, each in bad}
    assert subjects == {"log loss against the heuristic", "log loss against the constant"}
    assert {each.level for _, each in bad} == {Level.ALARM}
    assert max(number for number, _ in bad) < 60
    good = run(performance, [cohort(draw) for _ in range(10)], first=80)
    assert {(each.subject, each.level) for _, each in good} == {(s, Level.OK) for s in subjects}


def test_the_words_rest_on_the_evidence_and_not_on_the_window():
    """The model is better over the window, and worse in its last days: the alarm is about those."""
    draw = np.random.default_rng(5)
    performance = Performance(PerformanceSettings(), COHORT_US)
    assert run(performance, [cohort(draw) for _ in range(100)]) == []
    bad = [cohort(draw, model=lambda p: 0.02 * (1.0 - p)) for _ in range(20)]
    number, alarm = run(performance, bad, first=100)[0]
    figures = performance.figures()
    assert figures.loss_model < getattr(figures, f"loss_{alarm.subject.split()[-1]}")
    said = re.fullmatch(
        r"over ([\d,]+) transactions that matured in the last ([\d.]+) days, log loss of the model "
        r"([\d.]+), of the \w+ ([\d.]+) nats; over the ([\d,]+) of the whole window ([\d.]+) and .*",
        alarm.words,
    )
    assert said is not None, alarm.words
    rows, days, model, other, window, _ = (float(each.replace(",", "")) for each in said.groups())
    since = bad[: number - 99]
    assert (rows, days) == (2_000.0 * len(since), round(0.25 * len(since), 1))
    assert model == pytest.approx(sum(each.loss_model for each in since) / rows, abs=1e-5)
    assert model > other
    assert window == 2_000.0 * (number + 1)
    good = [cohort(draw) for _ in range(40)]
    _, ended = run(performance, good, first=120)[0]
    assert ended.level == Level.OK
    assert "that matured since the alarm, log loss of the model" in ended.words
    model, other = map(float, re.findall(r"0\.\d+", ended.words)[:2])
    assert model < other


def test_false_alarms_against_an_equal_are_as_rare_as_promised():
    settings = PerformanceSettings(mean_time_between_false_alarms=20_000.0)
    lengths = []
    for seed in range(60):
        draw = np.random.default_rng(seed)
        performance = Performance(settings, COHORT_US)
        noise = lambda p, draw=draw: np.clip(p * draw.lognormal(0.0, 0.3, len(p)), 0.0, 0.99)  # noqa: E731
        seen = run(performance, [cohort(draw, 500, heuristic=noise) for _ in range(200)])
        lengths.append(500.0 * (seen[0][0] if seen else 200))
    assert np.mean(lengths) > 40_000.0


def test_recall_below_what_is_asked_is_a_warning_only_with_its_whole_interval():
    few = Matured(legitimate=900.0, fraud=10.0, fraud_flagged=4.0)
    many = Matured(legitimate=90_000.0, fraud=1_000.0, fraud_flagged=400.0)
    for matured, expected in ((few, []), (many, [Level.WARNING])):
        performance = Performance(PerformanceSettings(least_recall=0.5), COHORT_US)
        findings = performance.fold(stretch_of(1, matured=matured))
        assert [each.level for each in findings if each.subject == "recall"] == expected


def test_expected_figures_are_those_of_the_unlabelled_metrics():
    draw = np.random.default_rng(3)
    chance, amount = draw.beta(0.3, 5.0, 5_000), draw.lognormal(3.0, 1.0, 5_000)
    flagged = chance > 0.1
    oracle = expected_rates(chance, flagged, amount, draws=9)
    expectation = Expectation(ExpectationSettings(), COHORT_US)
    for part in np.array_split(np.arange(5_000), 4):
        p, a, f = chance[part], amount[part], flagged[part]
        sums = (len(part), f.sum(), p.sum(), p[f].sum(), (p * a).sum(), (p * a)[f].sum())
        expectation.fold(stretch_of(1, expected=Expected(*(float(each) for each in sums))))
    figures = expectation.figures()
    assert figures.recall == pytest.approx(oracle.recall)
    assert figures.specificity == pytest.approx(oracle.specificity)
    assert figures.value_detection_rate == pytest.approx(oracle.value_detection_rate)
    assert figures.share_flagged == flagged.mean()


def test_expected_recall_and_flagged_share_have_limits_where_they_are_set():
    settings = ExpectationSettings(least_recall=0.5, most_flagged=0.1, least_rows=100)
    expectation = Expectation(settings, COHORT_US)
    low = Expected(rows=1_000.0, flagged=200.0, fraud=10.0, fraud_flagged=4.0)
    found = expectation.fold(stretch_of(1, expected=low))
    assert [(each.subject, each.level) for each in found] == [
        ("expected recall", Level.WARNING),
        ("share flagged", Level.WARNING),
    ]
    fine = Expected(rows=9_000.0, flagged=90.0, fraud=90.0, fraud_flagged=80.0)
    found = expectation.fold(stretch_of(2, expected=fine))
    assert {each.level for each in found} == {Level.OK}
    assert Expectation(ExpectationSettings(), COHORT_US).fold(stretch_of(1, expected=low)) == []


def test_the_square_root_of_a_likelihood_ratio_is_a_fair_bet_under_the_model():
    """The Hellinger affinity: exact for one outcome, so for any number of them."""
    for p in (0.001, 0.2, 0.7):
        for q in (0.0005, 0.2, 0.9):
            outcomes = np.array([0, 1])
            ratio = stats.bernoulli.pmf(outcomes, q) / stats.bernoulli.pmf(outcomes, p)
            assert (stats.bernoulli.pmf(outcomes, p) * np.sqrt(ratio)).sum() <= 1.0 + 1e-12


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: PerformanceSettings(least_recall=2.0), "performance.least_recall"),
        (lambda: PerformanceSettings(window_s=0), "performance.window_s"),
        (lambda: ExpectationSettings(most_flagged=1.5), "expectation.most_flagged"),
        (lambda: CohortSettings(amount_quantile=1.0), "cohorts.amount_quantile"),
        (lambda: CohortSettings(cohort_s=-5), "cohorts.cohort_s"),
        (lambda: MonitorSettings(cohorts=CohortSettings(cohort_s=5_000)), "cohorts.cohort_s"),
        (lambda: MonitorSettings(cohorts_held=0), "monitor.cohorts_held"),
    ],
)
def test_settings_are_checked(make, field):
    with pytest.raises(ConfigError) as raised:
        make()
    assert raised.value.field == field
