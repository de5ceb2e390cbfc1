"""Nothing that becomes known later, and nothing of the transaction itself, is in its features."""

from dataclasses import replace

import numpy as np
from feature_streams import every_kind, fold_stream, random_stream, settings_for, with_transactions
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_system.events import Arrivals, Kind, LabelsObserved, Transactions

FEATURES = every_kind()
SETTINGS = settings_for(FEATURES)
STREAM = random_stream(21, rows=330, days=8.0)
LOGGED = fold_stream(STREAM, SETTINGS)[1]
KEYS = LOGGED.transaction["transaction_key"]
PLACES = st.integers(0, len(STREAM))
SEEDS = st.integers(0, 2**32 - 1)


def features_known_by(logged, first):
    """The features of the first so many transactions that were accepted."""
    return logged.features[:first].tobytes()


def changed_after(place, seed):
    """The same inputs up to `place`; afterwards other amounts, entities, labels, and other times."""
    generator = np.random.default_rng(seed)
    head, tail = STREAM.rows(0, place), STREAM.rows(place, len(STREAM))
    made, told = tail.transactions, tail.labels
    start_us = int(tail.known_time_us[0]) if len(tail) else 0
    kept = generator.random(len(made)) < 0.8
    order = generator.permutation(len(made))
    made = replace(
        made,
        amount=made.amount[order] * 3.0,
        entity_keys=made.entity_keys[order],
        numeric=made.numeric[order],
        categories=made.categories[order],
    ).rows(kept)
    shift_us = generator.integers(0, 3 * 86_400_000_000)
    told = replace(
        told,
        is_fraud=generator.random(len(told)) < 0.7,
        known_time_us=np.maximum(told.known_time_us + shift_us, start_us),
        transaction_key=generator.choice(STREAM.transactions.transaction_key, len(told)),
    )
    after = Arrivals.merge(made, told, tail.tick_us)
    both = Arrivals(
        kind=np.concatenate([head.kind, after.kind]),
        row=np.concatenate(
            [
                head.row,
                after.row
                + np.array([len(head.transactions), len(head.labels), len(head.tick_us)])[
                    after.kind
                ],
            ]
        ),
        transactions=Transactions.join([head.transactions, after.transactions]),
        labels=LabelsObserved.join([head.labels, after.labels]),
        tick_us=np.concatenate([head.tick_us, after.tick_us]),
    )
    return both, kept


@settings(deadline=None, max_examples=60)
@given(PLACES, SEEDS)
def test_what_comes_later_changes_no_earlier_byte(place, seed):
    changed, _ = changed_after(place, seed)
    _, logged = fold_stream(changed, SETTINGS)
    accepted = np.isin(KEYS, STREAM.rows(0, place).transactions.transaction_key).sum()
    if accepted:
        assert features_known_by(logged, accepted) == features_known_by(LOGGED, accepted)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, len(KEYS) - 1), st.booleans(), st.integers(-2, 40))
def test_its_own_label_changes_nothing_before_or_at_the_transaction(row, is_fraud, delay_h):
    """Not even a label that comes before it: that one is joined after the transaction was scored."""
    key = KEYS[row]
    known_us = int(LOGGED.transaction["known_time_us"][row]) + delay_h * 3_600_000_000
    told = STREAM.labels.rows(STREAM.labels.transaction_key != key)
    own = LabelsObserved.unnamed(
        transaction_id=np.array([b"own"]),
        transaction_key=np.array([key]),
        known_time_us=np.array([known_us]),
        is_fraud=np.array([is_fraud]),
        source=np.zeros(1, np.uint8),
    )
    features = []
    for labels in (told, LabelsObserved.join([told, own])):
        order = np.argsort(labels.known_time_us, kind="stable")
        changed = Arrivals.merge(STREAM.transactions, labels.rows(order), STREAM.tick_us)
        features.append(fold_stream(changed, SETTINGS)[1].features[: row + 1].tobytes())
    assert features[0] == features[1]


OF_AMOUNT = ("log_amount", "amount_beyond", "amount_exceeds", "amount_to_mean", "amount_to_largest")
OF_AMOUNT += ("amount_to_legitimate", "amount_beyond_legitimate")


@settings(deadline=None, max_examples=40)
@given(st.integers(0, len(KEYS) - 1), st.floats(0.0, 1e15))
def test_a_transaction_never_sees_itself(row, amount):
    """Its own amount is compared with the counters, and is in none of them."""
    place = np.flatnonzero(STREAM.transactions.transaction_key == KEYS[row])[0]
    amounts = STREAM.transactions.amount.copy()
    amounts[place] = amount
    _, logged = fold_stream(with_transactions(STREAM, amount=amounts), SETTINGS)
    compared = np.array([feature.kind in OF_AMOUNT for feature in FEATURES.features])
    assert logged.features[row, ~compared].tobytes() == LOGGED.features[row, ~compared].tobytes()
    names = dict(zip(FEATURES.names, range(len(FEATURES.names)), strict=True))
    difference = logged.features[row].astype(float) - LOGGED.features[row].astype(float)
    more = np.log1p(amount) - np.log1p(LOGGED.transaction["amount"][row])
    for name in ("amount_to_largest:terminal", "amount_to_mean:card:3d"):
        known = LOGGED.features[row, names[name]] != 0.0
        if known:
            np.testing.assert_allclose(difference[names[name]], more, rtol=1e-5, atol=1e-5)


def test_the_changes_above_do_change_what_comes_after():
    place = len(STREAM) // 2
    changed, kept = changed_after(place, 1)
    assert 0 < kept.sum() < len(kept)
    _, logged = fold_stream(changed, SETTINGS)
    accepted = np.isin(KEYS, STREAM.rows(0, place).transactions.transaction_key).sum()
    assert logged.features[accepted:].tobytes() != LOGGED.features[accepted:].tobytes()
    assert (STREAM.kind[place:] == Kind.LABEL).sum() > 50
