"""`DelayMatched` and `FakeNegativeWeighted`: by hand, and statistically where the truth is known."""

import numpy as np
import pytest
from scipy.special import expit

from fraud_system.events import SECOND_US, Resolution, Table
from fraud_system.labels import LabelSettings
from fraud_system.logged import LoggedFeatures
from fraud_system.strategies import DelayMatched, FakeNegativeWeighted, LearningSettings
from fraud_system.strategies.delay_matched import FIRST_REPORTS, STRATA

LABELS = LabelSettings(maturity_s=100, horizon_s=300, orphan_wait_s=50, silence_s=70)
MATURED, FRAUD, REVERSED, LATE = (
    Resolution.MATURED,
    Resolution.FRAUD,
    Resolution.REVERSED,
    Resolution.LATE_FRAUD,
)


def logged_of(known_us: np.ndarray, probability: np.ndarray | None = None) -> LoggedFeatures:
    size = len(known_us)
    logged = LoggedFeatures(1, 10**15)
    key = (np.arange(size).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    said = np.full(size, 0.1) if probability is None else probability
    logged.append(
        {"known_time_us": known_us, "seq": np.arange(size) + 1, "transaction_key": key},
        {"features": np.zeros((size, 1)), "probability": said, "probability_model": said},
    )
    return logged


def resolved_of(known_us: np.ndarray, rows: list[tuple[float, int, int]]) -> Table:
    """(seconds, ordinal, resolution) of each."""
    times, ordinal, kind = (np.array(column) for column in zip(*rows, strict=True))
    return {
        "seq": np.arange(len(rows)) + len(known_us) + 1,
        "known_time_us": (times * SECOND_US).astype(np.int64),
        "resolution": kind.astype(np.uint8),
        "ordinal": ordinal.astype(np.int64),
        "transaction_time_us": known_us[ordinal.astype(np.int64)],
    }


def terms(examples) -> list[tuple[int, float, float]]:
    return list(
        zip(
            examples.ordinal.tolist(),
            examples.curve.tolist(),
            examples.target.tolist(),
            strict=True,
        )
    )


def test_nothing_is_learned_before_the_first_maturity_and_then_all_of_it_in_order() -> None:
    known_us = np.array([0, 10, 20, 30]) * SECOND_US
    strategy = DelayMatched(LearningSettings(), LABELS, logged_of(known_us))
    early = resolved_of(known_us, [(40.0, 2, FRAUD), (50.0, 2, REVERSED), (60.0, 0, FRAUD)])
    assert terms(strategy.examples(early)) == []
    assert terms(strategy.examples(resolved_of(known_us, [(110.1, 1, MATURED)]))) == []
    assert strategy.has_started
    # The next one brings what was held back, each term at its own time.
    examples = strategy.examples(resolved_of(known_us, [(500.0, 3, MATURED)]))
    rows = terms(examples)
    assert [(at, target) for at, _, target in rows if target] == [(2, 1.0), (2, -1.0), (0, 1.0)]
    assert np.bincount(examples.ordinal, examples.curve).tolist() == [1.0] * 4
    assert examples.curve[-1] == 1.0
    delay_us = strategy.first_terms.delay_us
    assert (np.diff(delay_us) >= 0).all()
    assert 0 < delay_us[0] < delay_us[-1] <= LABELS.horizon_s * SECOND_US


def test_it_starts_as_soon_as_enough_frauds_have_been_reported() -> None:
    known_us = np.arange(200) * SECOND_US // 10
    reports = [(25.0 + at / 10, at, FRAUD) for at in range(FIRST_REPORTS)]
    strategy = DelayMatched(LearningSettings(), LABELS, logged_of(known_us))
    assert terms(strategy.examples(resolved_of(known_us, reports[:-1]))) == []
    assert not strategy.has_started
    assert terms(strategy.examples(resolved_of(known_us, reports[-1:]))) == []
    assert strategy.has_started
    held = terms(strategy.examples(resolved_of(known_us, [(40.0, 150, FRAUD)])))
    assert sum(target for _, _, target in held) == FIRST_REPORTS + 1


def test_first_terms_wait_as_long_as_frauds_take() -> None:
    """Every fraud is reported after 20 s: so long every transaction waits, once that is known."""
    known_us = np.arange(30_000) * SECOND_US // 20
    frauds = np.arange(0, 30_000, 25)
    rows = [(known_us[at] / SECOND_US + 20.0, int(at), FRAUD) for at in frauds]
    strategy = DelayMatched(LearningSettings(), LABELS, logged_of(known_us))
    strategy.examples(resolved_of(known_us, rows[:1_000]))
    delay_s = strategy.first_terms.delay_us / SECOND_US
    assert np.percentile(delay_s, [5, 95]) == pytest.approx([20.0, 20.0], rel=0.16)
    last_s = rows[999][0]
    waits = np.flatnonzero(known_us / SECOND_US > last_s - 17.0)
    later = strategy.examples(resolved_of(known_us, rows[1_000:1_001]))
    assert not set(waits.tolist()) & set(later.ordinal[later.curve > 0.0].tolist())


def test_a_report_before_the_first_term_is_due_is_learned_whole_and_once() -> None:
    """What the model took for a fraud waits for its report; what it took for none does not."""
    size = 20_000
    known_us = np.arange(size) * 10_000
    probability = np.where(np.arange(size) % 2, 0.99, 0.001)
    strategy = DelayMatched(LearningSettings(), LABELS, logged_of(known_us, probability))
    strategy.examples(resolved_of(known_us, [(101.0, 0, MATURED)]))
    chosen = np.arange(10_000, 10_400)
    reports = [(known_us[at] / SECOND_US + 30.0, int(at), FRAUD) for at in chosen]
    rows = resolved_of(known_us, [*reports, (700.0, 1, MATURED)])
    examples = strategy.examples(rows)
    told = np.isin(examples.ordinal, chosen)
    assert np.bincount(examples.ordinal[told])[chosen].max() == 2
    assert np.bincount(examples.ordinal, examples.curve).tolist() == [1.0] * size
    assert np.bincount(examples.ordinal, examples.target).sum() == 400
    whole = np.unique(examples.ordinal[(examples.curve == 1.0) & (examples.target == 1.0)])
    # The chance that D > R is (1 - F) / (1 - p F), and about .41 by the prior for 30 of 100 s.
    assert np.mean(np.isin(chosen[1::2], whole)) > 0.95
    assert np.mean(np.isin(chosen[::2], whole)) == pytest.approx(0.41, abs=0.12)
    assert len(strategy.whole) == 0, "nothing is remembered once its turn has come"


def test_what_became_due_at_the_same_microsecond_waits_for_the_next_label() -> None:
    known_us = np.array([0, 100, 100]) * SECOND_US
    at_once = FakeNegativeWeighted(LearningSettings(), logged_of(known_us))
    assert terms(at_once.examples(resolved_of(known_us, [(100.0, 0, FRAUD)]))) == [
        (0, 0.9, 0.0),
        (0, 1.0, 1.0),
    ]
    assert terms(at_once.examples(resolved_of(known_us, [(100.1, 0, REVERSED)]))) == [
        (1, 0.9, 0.0),
        (2, 0.9, 0.0),
        (0, 0.0, -1.0),
    ]
    assert at_once.oldest_waiting == 3


# ---- known truth


def stream(delay_mean_s: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Table]:
    """Known probabilities; fifty transactions a second for 2,000 s, then 200 for 1,000 s.

    Gamma delays, of which some percent come after maturity.
    """
    draw = np.random.default_rng(seed)
    known_us = np.concatenate([np.arange(100_000) * 20_000, 2 * 10**9 + np.arange(200_000) * 5_000])
    probability = expit(-3.0 + draw.normal(size=len(known_us)))
    is_fraud = draw.random(len(known_us)) < probability
    delay_us = (draw.gamma(2.0, delay_mean_s / 2.0, len(known_us)) * SECOND_US).astype(np.int64)
    early = is_fraud & (delay_us <= 100 * SECOND_US)
    late = is_fraud & ~early & (delay_us <= 300 * SECOND_US)
    matures_us = known_us + 100 * SECOND_US + 1
    times = [(known_us + delay_us)[early], matures_us[~early], (known_us + delay_us)[late]]
    ordinal = [np.flatnonzero(mask) for mask in (early, ~early, late)]
    kind = np.repeat([FRAUD, MATURED, LATE], [len(each) for each in ordinal])
    order = np.argsort(np.concatenate(times), kind="stable")
    table = {
        "seq": np.arange(len(order)),
        "known_time_us": np.concatenate(times)[order],
        "resolution": kind[order].astype(np.uint8),
        "ordinal": np.concatenate(ordinal)[order],
    }
    table["transaction_time_us"] = known_us[table["ordinal"]]
    return known_us, probability, is_fraud, table


def excess(curve: np.ndarray, target: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Frauds over what the truth expects of the first terms, in standard deviations, in windows."""
    found = []
    for piece in np.array_split(np.arange(len(curve)), 25):
        expected = (curve[piece] * probability[piece]).sum()
        spread = target[piece].sum() + (curve[piece] * probability[piece] ** 2).sum()
        found.append((target[piece].sum() - expected) / np.sqrt(spread))
    return np.array(found)


@pytest.mark.parametrize("knows", [False, True], ids=["a constant", "the truth"])
def test_the_rate_is_unbiased_at_every_moment_also_when_traffic_grows(knows: bool) -> None:
    """Whatever the model has said, and also when it was right."""
    found = []
    for seed in range(3):
        known_us, probability, _, resolved = stream(30.0, seed)
        resolved = {n: c[resolved["known_time_us"] < 3 * 10**9] for n, c in resolved.items()}
        logged = logged_of(known_us, probability if knows else None)
        examples = DelayMatched(LearningSettings(), LABELS, logged).examples(resolved)
        z = excess(examples.curve, examples.target, probability[examples.ordinal])
        found.append(z)
    # The first window holds the cold start, when the law is not known yet.
    later = np.array(found)[:, 1:]
    assert np.abs(later).max() < 4.5
    assert abs(later.mean()) < 4.5 / np.sqrt(later.size)


def test_frauds_on_arrival_beside_others_at_maturity_would_over_predict() -> None:
    _, probability, _, resolved = stream(30.0, seed=0)
    resolved = {n: c[resolved["known_time_us"] < 3 * 10**9] for n, c in resolved.items()}
    target = np.isin(resolved["resolution"], [FRAUD, LATE]).astype(float)
    curve = (resolved["resolution"] != LATE).astype(float)
    z = excess(curve, target, probability[resolved["ordinal"]])
    assert z.max() > 10.0, "the test above would see a bias"
    # The same windows as a ratio: up to 1.8 times too much.
    window = np.array_split(np.arange(len(curve)), 25)[int(z.argmax())]
    assert target[window].sum() > 1.4 * probability[resolved["ordinal"][window]].sum()


def test_late_reports_are_not_lost() -> None:
    """A fifth comes after maturity: `delay_matched` waits for them, in its quantiles."""
    known_us, probability, _, resolved = stream(75.0, seed=2)
    late = (resolved["resolution"] == LATE).sum() / np.isin(
        resolved["resolution"], [FRAUD, LATE]
    ).sum()
    assert late > 0.2
    steady = {n: c[resolved["known_time_us"] < 2 * 10**9] for n, c in resolved.items()}
    examples = DelayMatched(LearningSettings(), LABELS, logged_of(known_us)).examples(steady)
    half = len(examples.curve) // 2
    share = (
        examples.target[half:].sum()
        / (examples.curve[half:] * probability[examples.ordinal[half:]]).sum()
    )
    # Of all reports within the horizon .98 come; 1,000 frauds give .04.
    assert share == pytest.approx(0.98, abs=0.12)


def test_weighted_fake_negatives_balance_where_the_model_is_right() -> None:
    """(1 - p) p of each transaction against 1 - p of each fraud: no net gradient at the truth."""
    draw = np.random.default_rng(7)
    size = 200_000
    known_us = np.arange(size) * 50_000
    probability = expit(-2.0 + 1.5 * draw.normal(size=size))
    is_fraud = np.flatnonzero(draw.random(size) < probability)
    rows = [(known_us[at] / SECOND_US + 20.0, int(at), FRAUD) for at in is_fraud]
    rows.append((known_us[-1] / SECOND_US + 40.0, 0, MATURED))
    strategy = FakeNegativeWeighted(LearningSettings(), logged_of(known_us, probability))
    examples = strategy.examples(resolved_of(known_us, rows))
    said = probability[examples.ordinal]
    gradient = examples.curve * said - examples.target
    assert abs(gradient.sum()) < 4.0 * np.sqrt((gradient**2).sum())
    by_logit = gradient * np.log(said / (1.0 - said))
    assert abs(by_logit.sum()) < 4.0 * np.sqrt((by_logit**2).sum())
    # Total weights are those of the transactions, so that rates are right as well.
    assert examples.curve.sum() == pytest.approx(size, rel=0.01)
    unweighted = np.where(examples.target > 0.0, said - 1.0, said)
    assert abs(unweighted.sum()) > 10.0 * np.sqrt((unweighted**2).sum())


def test_strata_are_drawn_evenly_and_by_the_transaction_alone() -> None:
    known_us = np.arange(64_000) * 1_000
    rows = resolved_of(known_us, [(101.0, 0, MATURED), (102.0, 1, MATURED), (1_000.0, 2, MATURED)])
    strategy = DelayMatched(LearningSettings(), LABELS, logged_of(known_us))
    examples = strategy.examples(rows)
    assert sorted(examples.ordinal.tolist()) == list(range(64_000))
    again = DelayMatched(LearningSettings(), LABELS, logged_of(known_us)).examples(rows)
    assert again.ordinal.tobytes() == examples.ordinal.tobytes()
    median_us = strategy.first_terms.delay_us[STRATA // 2]
    strategy = DelayMatched(LearningSettings(), LABELS, logged_of(known_us))
    soon = (known_us[-1] + median_us) / SECOND_US
    strategy.examples(resolved_of(known_us, [(101.0, 0, MATURED)]))
    part = strategy.examples(resolved_of(known_us, [(soon, 1, MATURED)]))
    assert 0.4 < len(part.ordinal) / 64_000 < 1.0
