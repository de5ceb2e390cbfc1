"""The joiner by hand: reports that come before their transaction, or about none.

Clocks of `TINY_LABELS`: maturity 100 s, horizon 300 s, orphans wait 50 s, silence after 70 s.
"""

import numpy as np
from streams import (
    HORIZON_S,
    MATURITY_S,
    MICROSECOND_S,
    ORPHAN_WAIT_S,
    arrivals_of,
    counts,
    fold_all,
    fraud,
    many_frauds,
    many_transactions,
    no_messages,
    play,
    resolutions,
    reversal,
    scattered,
    tick,
    tiny_settings,
    transaction,
)

from fraud_system import replay
from fraud_system.dead_letters import dead_letters
from fraud_system.engine import Engine
from fraud_system.events import Arrivals, LabelsObserved, LabelSource
from fraud_system.labels import MAX_PARKED
from fraud_system.ledger import MemoryLedger
from fraud_system.merged_frames import joined

AT_MATURITY_S = float(MATURITY_S)
AFTER_MATURITY_S = MATURITY_S + MICROSECOND_S
AFTER_HORIZON_S = HORIZON_S + MICROSECOND_S


def test_an_orphan_joins_a_transaction_that_comes_at_the_last_moment() -> None:
    engine, tables = play([fraud(0, "a", LabelSource.USER_REPORT), transaction(ORPHAN_WAIT_S, "a")])
    assert resolutions(tables) == [("FRAUD", "a", float(ORPHAN_WAIT_S))]
    assert tables["resolved"]["source"].tolist() == [LabelSource.USER_REPORT]
    assert counts(engine) == {"parked": 1, "joined_early": 1}


def test_an_orphan_that_waited_too_long_is_a_dead_letter() -> None:
    lines = [fraud(0, "a"), transaction(ORPHAN_WAIT_S + MICROSECOND_S, "a"), tick(200)]
    engine, tables = play(lines)
    assert [kind for kind, _, _ in resolutions(tables)] == ["MATURED"]
    found = counts(engine)
    assert (found["parked"], found["dead_letters"]) == (1, 1)
    assert "joined_early" not in found
    assert tables["dead_letter"]["label_seq"].tolist() == tables["label"]["seq"].tolist()
    assert tables["dead_letter"]["known_time_us"].tolist() == [50_000_001]


def test_a_repeated_orphan_counts_once() -> None:
    lines = [fraud(0, "a"), fraud(1, "a", LabelSource.REVIEW), transaction(2, "a"), fraud(3, "a")]
    engine, tables = play(lines)
    assert resolutions(tables) == [("FRAUD", "a", 2.0)]
    assert counts(engine) == {"parked": 1, "duplicate": 2, "joined_early": 1}


def test_the_reversal_of_an_orphan_takes_its_place() -> None:
    engine, tables = play([fraud(0, "a"), reversal(1, "a"), transaction(2, "a"), tick(150)])
    assert [kind for kind, _, _ in resolutions(tables)] == ["MATURED"]
    found = counts(engine)
    assert (found["parked"], found["superseded"], found["joined_early"]) == (2, 1, 1)


def test_a_fraud_takes_the_place_of_an_orphaned_reversal() -> None:
    lines = [reversal(0, "a"), fraud(1, "a", LabelSource.REVIEW), transaction(2, "a")]
    engine, tables = play(lines)
    assert resolutions(tables) == [("FRAUD", "a", 2.0)]
    assert tables["resolved"]["source"].tolist() == [LabelSource.REVIEW]
    assert counts(engine) == {"parked": 2, "superseded": 1, "joined_early": 1}


def test_a_superseded_orphan_is_given_up_at_its_first_deadline_with_its_last_message() -> None:
    engine, tables = play([fraud(0, "a"), reversal(40, "a"), tick(50), tick(51)])
    assert tables["dead_letter"]["label_seq"].tolist() == [2]
    assert tables["dead_letter"]["known_time_us"].tolist() == [51_000_000]
    assert counts(engine)["dead_letters"] == 1


def test_a_message_about_a_refused_transaction_stays_an_orphan() -> None:
    lines = [fraud(0, "a"), transaction(10, "a", event_s=-90_000.0), tick(51)]
    engine, _ = play(lines)
    assert counts(engine) == {"parked": 1, "dead_letters": 1}


def test_dead_letters_can_be_sent_again_and_join() -> None:
    ledger, settings = MemoryLedger(), tiny_settings()
    engine, learner = replay.start(settings, ledger)
    lines = [fraud(0, "a"), fraud(1, "b"), reversal(2, "c"), tick(60), transaction(61, "a")]
    lines += [transaction(61, "b")]
    list(replay.run(engine, learner, ledger, arrivals_of(lines).batches(2)))
    rows = list(dead_letters(ledger))
    assert [row["transaction_id"][0] for row in rows] == [b"a", b"b", b"c"]
    again = {name: np.concatenate([row[name] for row in rows]) for name in no_messages().table()}
    again["known_time_us"] = np.full(3, 70_000_000)
    sent = Arrivals.merge(many_transactions([], 1), LabelsObserved(**again))
    list(replay.run(engine, learner, ledger, [sent]))
    tables = joined(ledger.frames())
    assert resolutions(tables) == [("FRAUD", "a", 70.0), ("FRAUD", "b", 70.0)]
    assert counts(engine) == {"parked": 4, "dead_letters": 3, "fraud_joined": 2}


def test_a_full_ring_of_orphans_gives_the_oldest_up() -> None:
    engine, beyond = Engine(tiny_settings()), 1_500
    before_bytes = engine.memory_bytes()
    numbers = np.arange(1, MAX_PARKED + beyond + 1)
    flood = Arrivals.merge(many_transactions([]), many_frauds(1_000_000, numbers))
    frames, _ = fold_all(engine, flood)
    tables = joined(frames)
    # The ring holds MAX_PARKED; room is made before each further message.
    assert tables["dead_letter"]["label_seq"].tolist() == tables["label"]["seq"][:beyond].tolist()
    assert engine.memory_bytes() == before_bytes
    # Those that were given up do not join any more, the others do.
    numbers = np.array([1, beyond, beyond + 2, MAX_PARKED + beyond], np.uint64)
    came = many_transactions(np.full(4, 2_000_000))
    came = type(came)(**came.table() | {"transaction_key": scattered(numbers)})
    frames, _ = fold_all(engine, Arrivals.merge(came, no_messages()))
    assert joined(frames)["resolved"]["ordinal"].tolist() == [2, 3]
    found = counts(engine)
    waiting = MAX_PARKED + beyond - found["joined_early"] - found["dead_letters"]
    assert waiting <= MAX_PARKED
    assert found["parked"] == MAX_PARKED + beyond
