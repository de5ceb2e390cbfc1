"""The engine's task: micro-batches, first answers, refusals, and a disk that fails."""

import asyncio

import pytest
from engine_rig import START_US, Rig, rig
from streams import TINY_LABELS

from fraud_system.events import SECOND_US, Health
from fraud_system.replay import verify
from fraud_system.switching import Switch
from serving.problems import Problem
from serving.waiting import Bounds, Waiting
from serving.wire import Decision, Label


def run(story):
    """Tell a story with a rig."""

    async def told(**options):
        async with rig(**options) as given:
            return await story(given)

    return lambda **options: asyncio.run(told(**options))


def test_waiting_requests_share_a_commit():
    @run
    async def story(given: Rig):
        before = given.ledger.commits
        answers = await asyncio.gather(*(given.score(f"a{i}") for i in range(32)))
        assert [answer.seq for answer in answers] == sorted(answer.seq for answer in answers)
        assert len({answer.seq for answer in answers}) == 32
        return given.ledger.commits - before

    assert story() == 1


def test_an_answer_is_given_after_its_commit():
    @run
    async def story(given: Rig):
        answer = await given.score("a1")
        assert given.ledger.last_seq >= answer.seq
        frame = given.ledger.frame_at(answer.seq)
        assert frame.tables["transaction"]["transaction_id"][0] == b"a1"
        assert frame.tables["decision"]["probability"][0] == answer.probability

    story()


def test_the_same_transaction_again_gets_the_first_answer():
    @run
    async def story(given: Rig):
        sent = given.transaction("a1")
        first = await given.waiting.single(sent)
        given.clock.time_us += 60 * SECOND_US
        assert await given.waiting.single(sent) == first

    story()


def test_the_same_id_twice_in_one_batch():
    @run
    async def story(given: Rig):
        first, same, other = await asyncio.gather(
            given.score("a1"), given.score("a1"), given.score("a1", amount=11.0)
        )
        assert same == first
        assert isinstance(other, Problem)
        assert (other.status, other.field) == (409, "transaction_id")

    story()


def test_missing_numbers_are_the_same_as_missing_numbers():
    @run
    async def story(given: Rig):
        first = await given.score("a1", numeric_0=None)
        assert await given.score("a1", numeric_0=None) == first
        other = await given.score("a1", numeric_0=0.0)
        assert isinstance(other, Problem)

    story()


def test_a_first_answer_survives_new_weights_and_a_switch():
    @run
    async def story(given: Rig):
        first = await given.score("a1")
        await given.waiting.change(lambda engine: engine.switch(Switch(Health.FORCED, "test")))
        assert await given.score("a1") == first
        assert (await given.score("a2")).scorer == "heuristic"

    story()


def test_a_bulk_answers_each_row_for_itself():
    @run
    async def story(given: Rig):
        rows = [given.transaction(f"a{i}") for i in range(5)]
        late = given.transaction("b1")
        given.clock.time_us += 10 * 365 * 86_400 * SECOND_US
        fresh = given.transaction("c1")
        answers = await given.score_many(fresh, late, *rows[:1], fresh)
        assert isinstance(answers[0], Decision)
        assert [answer.status for answer in answers[1:3]] == [422, 422]
        assert answers[1].field == "event_time"
        assert answers[3] == answers[0]

    story()


def test_bulks_are_cut_and_singles_go_between():
    @run
    async def story(given: Rig):
        bulk = asyncio.ensure_future(
            given.score_many(*[given.transaction(f"a{i}") for i in range(40)])
        )
        await asyncio.sleep(0)
        single = await given.score("b1")
        answers = await bulk
        assert single.seq < answers[-1].seq
        assert [each.transaction_id for each in answers] == [f"a{i}" for i in range(40)]

    story(bounds=Bounds(bulk_rows_per_cycle=8))


def test_a_burst_of_reports_is_taken_in_slices():
    @run
    async def story(given: Rig):
        reports = [
            Label(transaction_id=f"x{i}", is_fraud=True, source="review") for i in range(100)
        ]
        burst = asyncio.ensure_future(given.label(*reports))
        await asyncio.sleep(0)
        single = await given.score("b1")
        receipts = await burst
        assert single.seq < receipts[-1].seq
        assert {each.outcome for each in receipts} == {"parked"}

    story(bounds=Bounds(label_rows_per_cycle=10))


def test_while_transactions_wait_every_second_turn_is_theirs_alone():
    async def story():
        waiting = Waiting(Bounds(label_rows_per_cycle=10), asyncio.get_running_loop())
        waiting.reports([Label(transaction_id="x", is_fraud=True, source="review")] * 100)
        turns = []
        for transactions in (1, 1, 1, 0, 0, 1):
            for _ in range(transactions):
                waiting.single(None)
            taken = waiting.take()
            rows = sum(stop - start for _, start, stop in taken.labels)
            turns.append((len(taken.singles), rows))
        assert turns == [(1, 10), (1, 0), (1, 10), (0, 10), (0, 10), (1, 0)]

    asyncio.run(story())


def test_reports_are_joined_once():
    @run
    async def story(given: Rig):
        await given.score("a1")
        report = Label(transaction_id="a1", is_fraud=True, source="chargeback", label_id="k1")
        (first,) = await given.label(report)
        assert first.outcome == "fraud_joined"
        assert await given.label(report, report) == [first, first]
        other = Label(transaction_id="a1", is_fraud=False, source="chargeback", label_id="k1")
        (refused,) = await given.label(other)
        assert (refused.status, refused.field) == (409, "label_id")
        assert given.task.engine.label_counts()["fraud_joined"] == 1
        assert given.task.engine.label_counts()["duplicate"] == 0

    story()


def test_one_label_id_for_two_reports_in_one_request():
    @run
    async def story(given: Rig):
        one = Label(transaction_id="a1", is_fraud=True, source="review", label_id="k1")
        two = Label(transaction_id="a2", is_fraud=True, source="review", label_id="k1")
        receipt, refused = await given.label(one, two)
        assert receipt.outcome == "parked"
        assert refused.status == 409

    story()


def test_too_much_waiting_is_refused_at_once():
    @run
    async def story(given: Rig):
        rows = [given.transaction(f"a{i}") for i in range(11)]
        with pytest.raises(Problem) as refused:
            await given.score_many(*rows)
        assert (refused.value.status, refused.value.retry_after_s) == (503, 1)
        assert len(await given.score_many(*rows[:10])) == 10
        assert given.waiting.rows == 0

    story(bounds=Bounds(waiting_rows=10))


def test_a_full_disk_loses_nothing_that_was_acknowledged():
    @run
    async def story(given: Rig):
        first = await given.score("a1")
        given.ledger.failures = 1
        refused = await given.score("a2")
        assert isinstance(refused, Problem)
        assert (refused.status, refused.retry_after_s) == (503, 1)
        while given.task.broken:
            await asyncio.sleep(0.01)
        second = await given.score("a2")
        assert isinstance(second, Decision)
        assert await given.score("a1") == first
        assert given.task.engine.last_seq == given.ledger.last_seq
        list(verify(given.task.engine.settings, given.ledger))

    story()


def test_while_the_disk_is_full_everything_is_refused():
    @run
    async def story(given: Rig):
        given.ledger.failures = 2
        await given.score("a1")
        with pytest.raises(Problem):
            await given.score("a2")
        while given.task.broken:
            await asyncio.sleep(0.01)
        assert isinstance(await given.score("a1"), Decision)

    story()


def test_a_clock_that_goes_back_does_not_take_time_back():
    @run
    async def story(given: Rig):
        given.clock.time_us = START_US + 50 * SECOND_US
        first = await given.score("a1")
        given.clock.time_us = START_US
        second = await given.score("a2")
        assert second.known_time == first.known_time

    story()


def test_what_was_accepted_before_the_stop_is_answered():
    async def story():
        async with rig() as given:
            waiting = [given.waiting.single(given.transaction(f"a{i}")) for i in range(5)]
            given.task.stop()
        return await asyncio.gather(*waiting)

    assert all(isinstance(answer, Decision) for answer in asyncio.run(story()))


def test_the_ledger_of_a_busy_service_replays_to_the_same_bytes():
    @run
    async def story(given: Rig):
        for step in range(30):
            given.clock.time_us += 20 * SECOND_US
            names = [f"{'abc'[i % 3]}{step}-{i}" for i in range(7)]
            await asyncio.gather(
                *(given.score(name, amount=5.0 + step) for name in names),
                given.label(Label(transaction_id=names[0], is_fraud=True, source="chargeback")),
                given.score_many(given.transaction(f"d{step}")),
            )
        given.waiting.tick()
        await given.score("e")
        assert max(verify(given.task.engine.settings, given.ledger)) == given.ledger.last_seq

    story()


def test_a_report_about_a_later_transaction_of_the_same_name_is_no_repetition():
    @run
    async def story(given: Rig):
        await given.score("a1")
        report = Label(transaction_id="a1", is_fraud=True, source="chargeback")
        (first,) = await given.label(report)
        given.clock.time_us += (TINY_LABELS.horizon_s + 60) * SECOND_US
        again = await given.score("a1")
        assert isinstance(again, Decision)
        (second,) = await given.label(report)
        assert second.outcome == "fraud_joined"
        assert second.seq > first.seq
        list(verify(given.task.engine.settings, given.ledger))

    story()


def test_a_repetition_may_come_late():
    @run
    async def story(given: Rig):
        sent = given.transaction("a1")
        first = await given.waiting.single(sent)
        lateness_s = given.task.engine.settings.max_lateness_s
        given.clock.time_us += (min(lateness_s, TINY_LABELS.horizon_s - 120) + 60) * SECOND_US
        assert await given.waiting.single(sent) == first
        too_late = given.transaction("a2", event_time=sent.event_time)
        refused = await given.waiting.single(too_late)
        assert (refused.status, refused.field) == (422, "event_time")

    story(max_lateness_s=60)
