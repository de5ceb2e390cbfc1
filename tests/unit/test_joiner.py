"""The joiner by hand: each transition and each count of `fraud_system.labels`, through the engine.

Clocks of `TINY_LABELS`: maturity 100 s, horizon 300 s, orphans wait 50 s, silence after 70 s.
"""

import numpy as np
import pytest
from streams import (
    HORIZON_S,
    MATURITY_S,
    MICROSECOND_S,
    TINY_LABELS,
    arrivals_of,
    counts,
    fold_all,
    fraud,
    many_frauds,
    many_transactions,
    no_messages,
    outcomes,
    play,
    resolutions,
    reversal,
    tick,
    tiny_settings,
    transaction,
)

from fraud_system import replay
from fraud_system.engine import Engine
from fraud_system.errors import ConfigError
from fraud_system.events import Arrivals, LabelSource
from fraud_system.frames import MAX_RESOLVED_IN_FRAME
from fraud_system.keys import key_of
from fraud_system.labels import LabelSettings, Outcome
from fraud_system.ledger import MemoryLedger
from fraud_system.merged_frames import joined

AT_MATURITY_S = float(MATURITY_S)
AFTER_MATURITY_S = MATURITY_S + MICROSECOND_S
AFTER_HORIZON_S = HORIZON_S + MICROSECOND_S


def status(engine: Engine, name: str) -> str | None:
    return engine.label_status(key_of(name))


# ---- the transitions


def test_a_fraud_joins_the_transaction_that_it_names() -> None:
    lines = [transaction(1, "a"), transaction(2, "b"), fraud(7, "b", LabelSource.REVIEW)]
    engine, tables = play(lines)
    assert resolutions(tables) == [("FRAUD", "b", 7.0)]
    row = {name: column[0].item() for name, column in tables["resolved"].items()}
    label_seq = tables["label"]["seq"][0].item()
    assert row == {
        "seq": label_seq + 1,
        "known_time_us": 7_000_000,
        "resolution": 1,
        "source": LabelSource.REVIEW,
        "transaction_seq": tables["transaction"]["seq"][1].item(),
        "ordinal": 1,
        "transaction_time_us": 2_000_000,
    }
    assert counts(engine) == {"fraud_joined": 1}


def test_a_transaction_matures_strictly_later_than_maturity() -> None:
    engine, tables = play([transaction(0, "a"), tick(AT_MATURITY_S)])
    assert resolutions(tables) == []
    _, tables = play([transaction(0, "a"), tick(AFTER_MATURITY_S)])
    assert resolutions(tables) == [("MATURED", "a", AFTER_MATURITY_S)]
    assert tables["resolved"]["source"].tolist() == [LabelSource.MATURITY]
    assert counts(engine) == {}


def test_a_report_at_the_very_microsecond_of_maturity_is_in_time() -> None:
    engine, tables = play([transaction(0, "a"), fraud(AT_MATURITY_S, "a"), tick(200)])
    assert resolutions(tables) == [("FRAUD", "a", AT_MATURITY_S)]
    assert counts(engine) == {"fraud_joined": 1}


def test_a_report_one_microsecond_later_is_late() -> None:
    engine, tables = play([transaction(0, "a"), fraud(AFTER_MATURITY_S, "a")])
    assert resolutions(tables) == [
        ("MATURED", "a", AFTER_MATURITY_S),
        ("LATE_FRAUD", "a", AFTER_MATURITY_S),
    ]
    found = counts(engine)
    assert found.pop("matured_in_silence") == 1
    assert found == {"matured": 1, "late_fraud_joined": 1}


def test_a_reversal_takes_an_early_fraud_back() -> None:
    engine, tables = play([transaction(0, "a"), fraud(5, "a"), reversal(9, "a"), tick(200)])
    assert resolutions(tables) == [("FRAUD", "a", 5.0), ("REVERSED", "a", 9.0)]
    assert counts(engine) == {"fraud_joined": 1, "reversal_joined": 1}


def test_a_reversal_takes_a_late_fraud_back() -> None:
    lines = [transaction(0, "a"), tick(101), fraud(150, "a"), reversal(160, "a")]
    _, tables = play(lines)
    kinds = [kind for kind, _, _ in resolutions(tables)]
    assert kinds == ["MATURED", "LATE_FRAUD", "REVERSED"]


def test_a_reversal_takes_back_what_its_fraud_left_in_the_counters() -> None:
    day_s = 86_400.0
    labels = LabelSettings(10 * 86_400, 30 * 86_400, 86_400, 86_400)
    lines = [transaction(40 * day_s, "a1"), fraud(41 * day_s, "a1"), transaction(42 * day_s, "a2")]
    lines += [reversal(43 * day_s, "a1"), transaction(44 * day_s, "a3")]
    _, tables = play(lines, Engine(tiny_settings(labels=labels)))
    # The counter of frauds decays over a day; the reversal takes back what is left after two.
    frauds = np.expm1(tables["decision"]["features"][:, 2].astype(float))
    assert frauds == pytest.approx([0.0, np.exp(-1.0), 0.0], abs=1e-6)


def test_after_a_reversal_nothing_moves_any_more() -> None:
    lines = [transaction(0, "a"), fraud(5, "a"), reversal(9, "a")]
    lines += [fraud(10, "a"), reversal(11, "a"), fraud(150, "a"), tick(250)]
    engine, tables = play(lines)
    assert len(resolutions(tables)) == 2
    found = counts(engine)
    assert (found["fraud_after_reversal"], found["duplicate"]) == (2, 1)
    assert "matured" not in found


@pytest.mark.parametrize("later", [LabelSource.CHARGEBACK, LabelSource.USER_REPORT])
def test_a_repeated_fraud_counts_once_whoever_repeats_it(later: LabelSource) -> None:
    lines = [transaction(0, "a"), fraud(5, "a"), fraud(6, "a", later), fraud(150, "a", later)]
    engine, tables = play(lines)
    assert resolutions(tables) == [("FRAUD", "a", 5.0)]
    assert counts(engine) == {"fraud_joined": 1, "duplicate": 2}


def test_a_late_fraud_counts_once() -> None:
    engine, _ = play([transaction(0, "a"), fraud(150, "a"), fraud(151, "a")])
    assert counts(engine)["late_fraud_joined"] == 1
    assert counts(engine)["duplicate"] == 1


@pytest.mark.parametrize("time_s", [5, 150])
def test_a_reversal_of_nothing_is_counted_and_changes_nothing(time_s: int) -> None:
    engine, tables = play([transaction(0, "a"), reversal(time_s, "a"), tick(200)])
    assert [kind for kind, _, _ in resolutions(tables)] == ["MATURED"]
    assert counts(engine)["reversal_without_fraud"] == 1


def test_a_fraud_after_a_reversal_of_nothing_still_counts() -> None:
    _, tables = play([transaction(0, "a"), reversal(5, "a"), fraud(6, "a")])
    assert resolutions(tables) == [("FRAUD", "a", 6.0)]


# ---- horizon


def test_a_report_joins_up_to_the_horizon() -> None:
    lines = [transaction(0, "a"), fraud(HORIZON_S, "a")]
    assert outcomes(lines) == ["LATE_FRAUD_JOINED"]
    lines = [transaction(0, "a"), fraud(AFTER_HORIZON_S, "a")]
    engine, tables = play(lines)
    assert [kind for kind, _, _ in resolutions(tables)] == ["MATURED"]
    found = counts(engine)
    assert (found["parked"], found["expired"], found["matured"]) == (1, 1, 1)


@pytest.mark.parametrize("limit", [1, 2, MAX_RESOLVED_IN_FRAME])
def test_beyond_the_horizon_nothing_joins_wherever_frames_are_cut(limit: int) -> None:
    # Nothing came for long, so everything matures, and is forgotten, at the label itself.
    lines = [transaction(0, "a"), transaction(0, "b"), transaction(0, "c"), fraud(500, "b")]
    engine = Engine(tiny_settings())
    frames, _ = fold_all(engine, arrivals_of(lines), limit)
    tables = joined(frames)
    assert [kind for kind, _, _ in resolutions(tables)] == ["MATURED"] * 3
    assert tables["label"]["outcome"].tolist() == [Outcome.PARKED]
    assert engine.label_counts()["expired"] == 3


def test_what_is_known_of_a_transaction_can_be_asked() -> None:
    lines = [transaction(1, "a"), transaction(2, "b"), transaction(3, "c"), fraud(4, "b")]
    engine, _ = play([*lines, fraud(5, "c"), reversal(6, "c"), fraud(7, "never comes")])
    names = ("a", "b", "c", "never comes")
    assert [status(engine, name) for name in names] == ["open", "fraud", "reversed", None]
    assert engine.oldest_open_seq == 1
    engine, _ = play([*lines, tick(1 + AFTER_MATURITY_S)])
    assert [status(engine, name) for name in ("a", "b", "c")] == ["matured", "fraud", "open"]


def test_the_oldest_transaction_that_is_known_moves_with_the_horizon() -> None:
    lines = [transaction(1, "a"), transaction(2, "b"), tick(1 + HORIZON_S)]
    engine, _ = play(lines)
    assert (engine.oldest_open_seq, status(engine, "a")) == (1, "matured")
    engine, _ = play([*lines, tick(1 + AFTER_HORIZON_S)])
    assert (engine.oldest_open_seq, status(engine, "a"), status(engine, "b")) == (
        2,
        None,
        "matured",
    )
    engine, _ = play([*lines, tick(2 + AFTER_HORIZON_S)])
    assert (engine.oldest_open_seq, status(engine, "b")) == (engine.last_seq + 1, None)
    assert Engine(tiny_settings()).oldest_open_seq == 1


def test_horizon_and_maturity_may_be_equal() -> None:
    settings = tiny_settings(labels=LabelSettings(100, 100, 50, 70))
    lines = [transaction(0, "a"), fraud(100, "a"), fraud(100.000001, "a"), transaction(101, "a")]
    _, tables = play(lines, Engine(settings))
    # The second report came too late for the first transaction, so it waits for one of that id.
    assert resolutions(tables) == [("FRAUD", "a", 100.0), ("FRAUD", "a", 101.0)]
    assert tables["resolved"]["ordinal"].tolist() == [0, 1]
    assert [Outcome(code).name for code in tables["label"]["outcome"]] == ["FRAUD_JOINED", "PARKED"]


def test_an_id_may_come_again_beyond_the_horizon() -> None:
    lines = [transaction(0, "a"), transaction(HORIZON_S, "a"), transaction(AFTER_HORIZON_S, "a")]
    engine = Engine(tiny_settings())
    frames, status = fold_all(engine, arrivals_of([*lines, fraud(310, "a")]))
    assert status.tolist() == [0, 1, 0, 0]
    resolved = joined(frames)["resolved"]
    assert resolved["ordinal"].tolist() == [0, 1], "the label joins the second one"


# ---- order, silence, ticks, bursts


def test_what_is_due_comes_before_the_input_and_dead_letters_first() -> None:
    _, tables = play([fraud(0, "x"), transaction(1, "a"), transaction(2, "b"), fraud(200, "b")])
    seqs = {name: table["seq"].tolist() for name, table in tables.items()}
    assert seqs["dead_letter"] == [4]
    assert seqs["resolved"] == [5, 6, 8]
    assert seqs["label"] == [1, 7]
    assert [kind for kind, _, _ in resolutions(tables)] == ["MATURED", "MATURED", "LATE_FRAUD"]


def test_silence_is_measured_from_the_last_message_even_of_an_orphan() -> None:
    engine = Engine(tiny_settings())
    assert engine.label_silence_s() == float("inf")
    play([transaction(0, "a")], engine)
    assert engine.label_silence_s() == float("inf")
    play([fraud(5, "unknown"), tick(25)], engine)
    assert engine.label_silence_s() == 20.0


def test_maturing_while_no_message_comes_is_counted_apart() -> None:
    # "a" matures 69 s after a message, "b" 71 s after it: beyond 70 s the feed counts as silent.
    lines = [transaction(0, "a"), transaction(1, "b"), fraud(31, "x"), tick(100.5), tick(102)]
    engine, _ = play(lines)
    found = counts(engine)
    assert (found["matured"], found["matured_in_silence"]) == (2, 1)


def test_ticks_mature_without_traffic() -> None:
    engine, tables = play([transaction(0, "a"), tick(60), tick(120), tick(180)])
    assert resolutions(tables) == [("MATURED", "a", 120.0)]
    assert tables["tick"]["known_time_us"].tolist() == [60_000_000, 120_000_000, 180_000_000]
    assert engine.known_time_us == 180_000_000


def test_a_burst_of_fifty_thousand_reports() -> None:
    size = 50_000
    engine = Engine(tiny_settings())
    numbers = np.arange(1, size + 1)
    order = np.random.default_rng(1).permutation(numbers)
    burst = Arrivals.merge(
        many_transactions(np.zeros(size, np.int64)), many_frauds(1_000_000, order)
    )
    frames, _ = fold_all(engine, burst)
    tables = joined(frames)
    assert counts(engine) == {"fraud_joined": size}
    assert tables["resolved"]["ordinal"].tolist() == (order - 1).tolist()
    assert tables["resolved"]["seq"].tolist() == (tables["label"]["seq"] + 1).tolist()


def test_more_than_a_frame_may_resolve_matures_at_one_tick() -> None:
    size = MAX_RESOLVED_IN_FRAME + 5_000
    settings = tiny_settings(publish_every_labels=1_000_000)
    ledger = MemoryLedger()
    engine, learner = replay.start(settings, ledger)
    everything = Arrivals.merge(
        many_transactions(np.arange(size)), no_messages(), np.array([500_000_000])
    )
    list(replay.run(engine, learner, ledger, [everything]))
    resolved = [f.tables["resolved"] for f in ledger.frames() if "resolved" in f.tables]
    assert len(resolved) == 2
    assert max(len(table["seq"]) for table in resolved) <= MAX_RESOLVED_IN_FRAME + 1
    assert np.concatenate([t["ordinal"] for t in resolved]).tolist() == list(range(size))
    assert engine.label_counts()["matured"] == engine.label_counts()["expired"] == size
    assert learner.learned_labels == size
    assert list(replay.verify(settings, ledger))[-1] == 1 + size + size + 1


# ---- what was refused leaves no trace


def test_a_refused_transaction_resolves_nothing() -> None:
    lines = [transaction(0, "a"), transaction(60, "b"), transaction(130, "b"), tick(140)]
    _, tables = play(lines)
    # At 130 s "a" had become due, but that input was refused, so no replay would know of it.
    assert resolutions(tables) == [("MATURED", "a", 140.0)]


def test_a_refused_transaction_changes_no_byte_of_the_state() -> None:
    lines = [transaction(0, "a"), fraud(1, "orphan"), transaction(290, "b"), fraud(291, "b")]
    with_refused = [*lines, transaction(301, "b"), transaction(10_000, "c", event_s=0.0, amount=-1)]
    plain, refused = Engine(tiny_settings()), Engine(tiny_settings())
    fold_all(plain, arrivals_of(lines))
    _, status = fold_all(refused, arrivals_of(with_refused))
    assert status.tolist() == [0, 0, 0, 0, 1, 4]
    for name, array in plain.to_arrays().items():
        assert array.tobytes() == refused.to_arrays()[name].tobytes(), name
    play([tick(302)], refused)  # and time goes on from the last event that was accepted


# ---- snapshots and settings


def test_a_snapshot_gives_the_same_joiner() -> None:
    lines = [fraud(0, "early"), fraud(0, "gone"), reversal(1, "other"), transaction(2, "early")]
    lines += [transaction(3 + i, f"t{i}") for i in range(20)] + [fraud(23, "t3"), fraud(24, "t5")]
    lines += [reversal(25, "t5"), tick(103.5), fraud(104, "waits"), fraud(104, "lost"), tick(105)]
    engine, _ = play(lines)
    again = Engine.from_arrays(engine.settings, engine.to_arrays())
    rest = [reversal(110, "t3"), fraud(111, "t9"), transaction(112, "waits"), fraud(113, "early")]
    rest += [transaction(114, "t7"), tick(350), fraud(351, "t15"), transaction(352, "t15")]
    made = [joined(fold_all(each, arrivals_of(rest))[0]) for each in (engine, again)]
    assert made[0].keys() == made[1].keys() >= {"resolved", "dead_letter"}
    for name, table in made[0].items():
        for column, array in table.items():
            assert array.tobytes() == made[1][name][column].tobytes(), (name, column)
    assert engine.label_counts() == again.label_counts()


@pytest.mark.parametrize("name", ["maturity_s", "horizon_s", "orphan_wait_s", "silence_s"])
def test_clocks_are_positive(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        LabelSettings(**{name: 0})


def test_the_horizon_is_no_shorter_than_maturity() -> None:
    with pytest.raises(ConfigError, match="horizon_s"):
        LabelSettings(maturity_s=100, horizon_s=99)
    assert TINY_LABELS.array_us().tolist() == [100_000_000, 300_000_000, 50_000_000, 70_000_000]
