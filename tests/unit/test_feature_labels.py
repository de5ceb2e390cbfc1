"""What labels add to the counters and marks of their entities: worked by hand."""

import math

import numpy as np
import pytest
from feature_streams import HOUR_US, START_US, fold_stream, labels_of, settings_for, transactions_of

from fraud_system.events import DAY_US, Arrivals
from fraud_system.features.declaration import load_features
from fraud_system.labels import LabelSettings

LIST = """
[entities.card]
label_scales = ["4d"]
[[features]]
kind = "fraud_rate"
entity = "card"
scale = "4d"
[[features]]
kind = "fraud_count"
entity = "card"
scale = "4d"
[[features]]
kind = "fraud_recency"
entity = "card"
scale = "4d"
[[features]]
kind = "legitimate_recency"
entity = "card"
scale = "4d"
[[features]]
kind = "fraud_is_latest"
entity = "card"
[[features]]
kind = "fraud_run"
entity = "card"
"""
MATURITY = 10  # days
CARD, OTHER = 7, 8


def seen(day, transactions, labels):
    """The features of card 7 at this day, after transactions (day, card) and labels (day, number).

    Transactions are numbered 1, 2, ...; a negative number takes the label back.
    """
    features = load_features(LIST, ["card"])
    clocks = LabelSettings(maturity_s=MATURITY * 86_400, horizon_s=100 * 86_400)
    days, cards = zip(*transactions, (day, CARD), strict=True)
    made = transactions_of(START_US + np.array([int(d * DAY_US) for d in days]), cards)
    when = np.array([int(d * DAY_US) for d, _ in labels], np.int64)
    number = np.array([each for _, each in labels], np.int64)
    told = labels_of(START_US + when, abs(number), number > 0)
    _, logged = fold_stream(Arrivals.merge(made, told), settings_for(features, labels=clocks))
    return dict(zip([f.kind for f in features.features], logged.features[-1], strict=True))


def faded(days):
    return math.exp(-days / 4.0)


def log_odds(frauds, labels):
    return math.log((0.1 + frauds) / (19.9 + labels - frauds))


def approx(value):
    return pytest.approx(value, rel=1e-6, abs=1e-6)


NOTHING_KNOWN = {
    "fraud_rate": approx(math.log(0.005 / 0.995)),
    "fraud_count": 0.0,
    "fraud_recency": 0.0,
    "legitimate_recency": 0.0,
    "fraud_is_latest": 0.0,
    "fraud_run": 0.0,
}


def test_without_labels_nothing_is_known():
    assert seen(5, [], []) == NOTHING_KNOWN
    assert seen(5, [(1, CARD), (2, CARD)], []) == NOTHING_KNOWN


def test_a_fraud_counts_from_the_moment_it_is_known():
    found = seen(5, [(1, CARD)], [(3, 1)])
    assert found["fraud_count"] == approx(math.log1p(faded(2)))
    assert found["fraud_rate"] == approx(log_odds(faded(2), faded(2)))
    assert found["fraud_recency"] == approx(faded(4)), "since the transaction, not its label"
    assert found["fraud_is_latest"] == 1.0
    assert found["fraud_run"] == approx(math.log(2.0))
    assert seen(3 - 1e-9, [(1, CARD)], [(3, 1)]) == NOTHING_KNOWN


def test_a_label_at_the_very_moment_comes_first():
    assert seen(3, [(1, CARD)], [(3, 1)])["fraud_count"] == approx(math.log(2.0))


def test_a_label_counts_for_its_own_card_only():
    assert seen(5, [(1, OTHER), (2, CARD)], [(3, 1)]) == NOTHING_KNOWN


def test_what_matures_is_legitimate():
    found = seen(16, [(1, CARD)], [])
    assert found["legitimate_recency"] == approx(faded(15))
    # It matured at day 11, but nothing happened until the transaction at day 16 itself.
    assert found["fraud_rate"] == approx(log_odds(0, 1))
    assert found["fraud_is_latest"] == found["fraud_run"] == 0.0
    # A label of another card at day 12 makes the engine look.
    found = seen(16, [(1, CARD), (11.5, OTHER)], [(12, 2)])
    assert found["fraud_rate"] == approx(log_odds(0, faded(4.5)))


def test_duplicates_count_once():
    once = seen(6, [(1, CARD)], [(3, 1)])
    assert seen(6, [(1, CARD)], [(3, 1), (3, 1), (4, 1), (5, 1)]) == once


def test_a_label_before_its_transaction_counts_when_the_transaction_comes():
    found = seen(3, [(1, CARD)], [(0.5, 1)])
    assert found["fraud_count"] == approx(math.log1p(faded(2)))
    assert seen(1, [], [(0.5, 1)]) == NOTHING_KNOWN, "not for the transaction itself"


def test_a_reversal_takes_back_what_its_label_added():
    found = seen(9, [(1, CARD)], [(3, 1), (6, -1)])
    assert found["fraud_count"] == approx(0.0)
    assert found["fraud_rate"] == approx(log_odds(0, faded(6))), "it stays a label"


def test_a_reversal_takes_back_its_own_fraud_and_no_other():
    transactions = [(1, CARD), (1.5, CARD)]
    found = seen(9, transactions, [(3, 1), (5, 2), (7, -1)])
    assert found["fraud_count"] == approx(math.log1p(faded(4)))
    assert found["fraud_rate"] == approx(log_odds(faded(4), faded(6) + faded(4)))
    found = seen(9, transactions, [(3, 1), (5, 2), (7, -2)])
    assert found["fraud_count"] == approx(math.log1p(faded(6)))


def test_a_reversal_twice_or_of_nothing_takes_nothing_more():
    transactions = [(1, CARD), (1.5, CARD)]
    once = seen(9, transactions, [(3, 1), (5, 2), (7, -1)])
    assert seen(9, transactions, [(3, 1), (5, 2), (7, -1), (7, -1), (8, -1)]) == once
    assert seen(9, [(1, CARD)], [(3, -1), (3, -99)]) == NOTHING_KNOWN


def test_streaks_keep_their_marks_after_a_reversal():
    before = seen(9, [(1, CARD)], [(3, 1)])
    after = seen(9, [(1, CARD)], [(3, 1), (6, -1)])
    for kind in ("fraud_recency", "fraud_is_latest", "fraud_run", "legitimate_recency"):
        assert after[kind] == before[kind]


def test_a_late_fraud_counts_once_and_its_label_was_counted_when_it_matured():
    # Seen as matured at day 12 (another card's transaction), reported at day 15.
    found = seen(17, [(1, CARD), (12, OTHER)], [(15, 1), (15, 1), (16, 1)])
    assert found["fraud_count"] == approx(math.log1p(faded(2)))
    assert found["fraud_rate"] == approx(log_odds(faded(2), faded(5)))
    assert found["fraud_recency"] == found["legitimate_recency"] == approx(faded(16))
    assert found["fraud_is_latest"] == 1.0, "what is known last of this transaction is fraud"
    assert found["fraud_run"] == approx(math.log(2.0))


def test_a_late_fraud_that_is_taken_back():
    found = seen(19, [(1, CARD), (12, OTHER)], [(15, 1), (18, -1)])
    assert found["fraud_count"] == approx(0.0)
    assert found["fraud_rate"] == approx(log_odds(0, faded(7)))


def test_many_late_frauds_keep_the_odds_finite():
    transactions = [(1, CARD)] * 60 + [(11.1, OTHER)]
    found = seen(60, transactions, [(60, number) for number in range(1, 61)])
    # 60 frauds are fresh, their 60 labels have faded since day 11.1.
    assert found["fraud_rate"] == approx(math.log(60.1 / 0.5))


def test_a_run_ends_with_a_later_legitimate_transaction():
    transactions = [(1, CARD), (2, CARD), (3, CARD)]
    reports = [(4, 1), (5, 2)]
    assert seen(6, transactions, reports)["fraud_run"] == approx(math.log(3.0))
    assert seen(6, transactions, reports)["fraud_is_latest"] == 1.0
    found = seen(14, transactions, reports)  # the third has matured
    assert found["fraud_run"] == 0.0
    assert found["fraud_is_latest"] == 0.0


def test_a_run_does_not_end_with_an_earlier_legitimate_transaction():
    found = seen(14, [(1, CARD), (2, CARD), (3, CARD)], [(4, 1), (5, 3)])  # the second has matured
    assert found["fraud_run"] == approx(math.log(3.0))
    assert found["fraud_is_latest"] == 1.0
    assert found["legitimate_recency"] == approx(faded(12))


def test_an_old_fraud_that_becomes_known_late_starts_no_run():
    """A later legitimate transaction is already known, so the latest known label stays legitimate."""
    found = seen(16, [(1, CARD), (2, CARD), (13, OTHER)], [(15, 1)])
    assert found["fraud_count"] == approx(math.log1p(faded(1)))
    assert found["fraud_recency"] == approx(faded(15))
    assert found["fraud_is_latest"] == found["fraud_run"] == 0.0


def test_marks_are_moved_forward_only():
    """The newest fraud is reported first: the older report does not move the mark back."""
    found = seen(6, [(1, CARD), (2, CARD)], [(3, 2), (5, 1)])
    assert found["fraud_recency"] == approx(faded(4))
    assert found["fraud_run"] == approx(math.log(3.0))


def test_an_unknown_card_learns_nothing():
    features = load_features(LIST, ["card"])
    made = transactions_of(START_US + np.arange(3) * HOUR_US, [0, 0, 0])
    told = labels_of([START_US + 1, START_US + 2], [1, 1], [True, False])
    engine, logged = fold_stream(Arrivals.merge(made, told), settings_for(features))
    assert engine.label_counts()["fraud_joined"] == engine.label_counts()["reversal_joined"] == 1
    assert [*NOTHING_KNOWN.values()] == logged.features[-1].tolist()
    assert len(engine.to_arrays()["features.row_key"]) == 0
