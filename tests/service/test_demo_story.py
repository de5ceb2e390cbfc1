"""The simulator's stream as requests."""

from collections import Counter
from datetime import timedelta

import msgspec
import numpy as np
import pytest

from fraud_system.events import DAY_US
from fraud_system.simulate import SCENARIOS, simulate
from pipelines.system_settings import SCHEMAS, read_schema
from serving.demo_traffic.story import (
    BATCH_SPAN_US,
    IN_FLIGHT_US,
    WEEK_US,
    Story,
    moment,
    time_us,
)
from serving.wire import Label, decoder, transaction_type

MONDAY_US = SCENARIOS["demo"].start_us


@pytest.fixture(scope="module")
def story() -> Story:
    return Story(days=2, seed=3)


@pytest.fixture(scope="module")
def whole() -> Story:
    return Story(days=4, seed=3, all_reports=True)


@pytest.mark.parametrize("rows", [1, 40])
def test_every_message_is_in_exactly_one_request_in_order_of_known_time(
    whole: Story, rows: int
) -> None:
    requests = list(whole.requests(rows))
    ids = [each["transaction_id"] for request in requests for each in request.transactions]
    reports = [each.label_id for request in requests for each in request.labels]
    assert len(ids) == len(set(ids)) == whole.transactions
    assert len(reports) == len(set(reports)) == whole.labels
    assert whole.left_out == 0
    for request in requests:
        assert 1 <= request.rows <= rows
        assert not (request.transactions and request.labels)
        assert 0 <= request.known_us - request.first_us <= BATCH_SPAN_US
    for kind in ("transactions", "labels"):
        times = [(each.first_us, each.known_us) for each in requests if getattr(each, kind)]
        assert (np.diff(np.ravel(times)) >= 0).all()
    latest_us = np.maximum.accumulate([request.known_us for request in requests])
    assert all(latest_us - BATCH_SPAN_US <= [request.known_us for request in requests])


def test_the_requests_say_what_was_simulated_weeks_later() -> None:
    settings = SCENARIOS["demo"]
    later = Story(days=3, seed=5, after_us=MONDAY_US + 10 * DAY_US, all_reports=True)
    traffic = simulate(type(settings)(days=3), 5)
    assert later.begins_us == MONDAY_US + 2 * WEEK_US
    requests = list(later.requests(1))
    sent = [each for request in requests for each in request.transactions]
    expected_us = traffic.transactions.event_time_us + 2 * WEEK_US
    assert [time_us(each["event_time"]) for each in sent] == expected_us.tolist()
    assert [each["amount"] for each in sent] == traffic.transactions.amount.tolist()
    assert [each["card"].encode() for each in sent] == traffic.card.tolist()
    assert {each["event_time"].weekday() for each in sent} == {0, 1, 2}
    labels = [each for request in requests for each in request.labels]
    prefix = f"{moment(later.begins_us):%Y%m%d}-5-".encode()
    named = [each.transaction_id.encode().removeprefix(prefix) for each in labels]
    assert named == traffic.labels.transaction_id.tolist()
    assert [each.is_fraud for each in labels] == traffic.labels.is_fraud.tolist()
    assert [each.source for each in labels[:3]] == [
        ("chargeback", "review", "user_report")[source] for source in traffic.labels.source[:3]
    ]
    known_us = [request.known_us for request in requests if request.labels]
    assert known_us == (traffic.labels.known_time_us + 2 * WEEK_US).tolist()


def test_duplicates_reversals_and_orphans_are_messages_of_their_own() -> None:
    story = Story(days=20, seed=1, all_reports=True)
    labels = [each for request in story.requests(1) for each in request.labels]
    about = Counter(each.transaction_id for each in labels if each.is_fraud)
    assert max(about.values()) == 2
    assert any(not each.is_fraud for each in labels)
    transactions = {
        each["transaction_id"] for request in story.requests(500) for each in request.transactions
    }
    assert any(each.transaction_id not in transactions for each in labels)


def test_reports_due_later_are_left_out_unless_asked_for(whole: Story) -> None:
    without = Story(days=4, seed=3)
    assert without.left_out > 0
    assert without.labels + without.left_out == whole.labels
    last_us = max(request.known_us for request in without.requests(1))
    assert last_us == without.ends_us
    assert max(request.known_us for request in whole.requests(1)) > last_us


def test_a_second_run_continues_after_the_first_with_other_ids(story: Story) -> None:
    second = Story(days=2, seed=3, after_us=story.ends_us)
    assert story.ends_us < second.begins_us <= story.ends_us + WEEK_US
    assert (second.begins_us - story.begins_us) % WEEK_US == 0
    ids, others = (
        {row["transaction_id"] for request in each.requests(100) for row in request.transactions}
        for each in (story, second)
    )
    assert len(ids) == len(others)
    assert not ids & others


def test_the_service_can_read_every_row(whole: Story) -> None:
    schema = read_schema(SCHEMAS / "simulated.toml")
    transaction, label = decoder(transaction_type(schema)), decoder(Label)
    limit = timedelta(seconds=schema.limits.max_lateness_s)
    in_flight = timedelta(microseconds=IN_FLIGHT_US)
    for request in whole.requests(1_000):
        for row in request.transactions:
            transaction.decode(msgspec.json.encode(row))
            late = moment(request.known_us) - row["event_time"]
            assert timedelta(0) <= late
            assert late + in_flight < limit / 2
        for row in request.labels:
            label.decode(msgspec.json.encode(row))
