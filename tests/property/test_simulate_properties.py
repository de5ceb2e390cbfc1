"""Whatever the settings, a simulated stream keeps the contract of `events` and of its own labels."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_system.events import DAY_US, Arrivals
from fraud_system.simulate import (
    SCENARIOS,
    FraudKind,
    FraudRegime,
    LabelSettings,
    SourceSettings,
    TrafficSettings,
    simulate,
)

SMALL = SCENARIOS["small"]
shares = st.floats(0.0, 1.0)


@st.composite
def regimes(draw: st.DrawFn) -> FraudRegime:
    return FraudRegime(
        background_log_odds=draw(st.floats(-30.0, 30.0)),
        round_the_clock_share=draw(shares),
        large_amount_share=draw(shares),
        compromised_per_terminal_day=draw(st.floats(0.0, 1.0)),
        compromised_online_share=draw(shares),
        stolen_per_card_day=draw(st.floats(0.0, 1.0)),
        stolen_transactions=draw(st.sampled_from([(0, 0), (1, 1), (0, 9)])),
        testing_per_card_day=draw(st.floats(0.0, 0.5)),
        testing_tries=draw(st.sampled_from([(0, 0), (0, 2), (3, 6)])),
        testing_cash_out_share=draw(shares),
    )


@st.composite
def labels(draw: st.DrawFn) -> LabelSettings:
    chargeback = draw(shares)
    review = draw(st.floats(0.0, 1.0 - chargeback))
    return replace(
        SMALL.labels,
        chargeback=SourceSettings(chargeback, median_days=1.0, sigma=1.0),
        review=SourceSettings(review, median_days=0.0, sigma=0.0),
        user_report=SourceSettings(max(0.0, 1.0 - chargeback - review), median_days=0.1, sigma=2.0),
        never_share=draw(shares),
        false_report_share=draw(shares),
        fraud_reversal_share=draw(shares),
        duplicate_share=draw(shares),
        duplicate_other_source_share=draw(shares),
        orphan_share=draw(shares),
        overtaking_share=draw(shares),
    )


@st.composite
def scenarios(draw: st.DrawFn) -> TrafficSettings:
    return TrafficSettings(
        days=draw(st.integers(1, 4)),
        cards=draw(st.integers(1, 30)),
        terminals=draw(st.integers(2, 20)),
        transactions_per_card_per_day=draw(st.floats(0.0, 3.0)),
        start_us=draw(st.integers(0, 20_000)) * DAY_US,
        drift_at_share=draw(shares),
        card_replacement_share=draw(shares),
        online_terminal_share=0.5,
        exploration_share=draw(shares),
        late_share=draw(shares),
        before=draw(regimes()),
        after=draw(regimes()),
        labels=draw(labels()),
    )


@settings(max_examples=80, deadline=None)
@given(scenario=scenarios(), seed=st.integers(0, 2**40))
def test_contract(scenario: TrafficSettings, seed: int) -> None:
    traffic = simulate(scenario, seed)
    transactions, truth = traffic.transactions, traffic.truth
    size = len(transactions)
    known, happened = transactions.known_time_us, transactions.event_time_us
    assert transactions.entity_keys.shape == (size, 2)
    assert transactions.numeric.shape == (size, 0)
    assert transactions.categories.shape == (size, 1)
    assert len(np.unique(transactions.transaction_key)) == size
    assert (np.diff(known) >= 0).all()
    assert (known >= happened).all()
    assert (happened >= scenario.start_us).all()
    assert (happened < scenario.start_us + scenario.days * DAY_US).all()
    assert (transactions.amount >= 0.01).all()
    assert ((truth.probability > 0) & (truth.probability < 1)).all()
    assert np.isin(truth.kind, list(FraudKind)).all()
    assert len(truth.is_fraud) == len(traffic.card) == len(traffic.channel) == size
    arrivals = Arrivals.merge(transactions, traffic.labels)
    assert (np.diff(arrivals.known_time_us) >= 0).all()
    assert traffic.last_us == max([scenario.start_us, *arrivals.known_time_us[-1:].tolist()])


@settings(max_examples=40, deadline=None)
@given(scenario=scenarios(), seed=st.integers(0, 2**40))
def test_every_transaction_has_a_report_before_its_one_reversal(
    scenario: TrafficSettings, seed: int
) -> None:
    messages = simulate(scenario, seed).labels
    reports: dict[int, int] = {}
    taken_back = set()
    for key, is_fraud in zip(messages.transaction_key.tolist(), messages.is_fraud, strict=True):
        assert key not in taken_back  # a reversal is the last word
        if is_fraud:
            reports[key] = reports.get(key, 0) + 1
        else:
            assert key in reports
            taken_back.add(key)
    assert max(reports.values(), default=0) <= 2


@settings(max_examples=20, deadline=None)
@given(scenario=scenarios(), seed=st.integers(0, 2**40), other=labels())
def test_deterministic_and_labels_apart(
    scenario: TrafficSettings, seed: int, other: LabelSettings
) -> None:
    traffic = simulate(scenario, seed)
    for again in (simulate(scenario, seed), simulate(replace(scenario, labels=other), seed)):
        for one, two in ((traffic.transactions, again.transactions), (traffic.truth, again.truth)):
            for name, column in one.table().items():
                assert column.tobytes() == getattr(two, name).tobytes(), name
