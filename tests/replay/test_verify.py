"""`verify` accepts a good ledger, and finds and names whatever has been changed in it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from streams import arrivals_of, fraud, reversal, tick, tiny_settings, transaction

from fraud_system import replay
from fraud_system.dead_letters import dead_letters
from fraud_system.engine import Engine
from fraud_system.errors import ReplayMismatch
from fraud_system.events import Frame, Health, Resolution, Scorer, Table
from fraud_system.ledger import MemoryLedger
from fraud_system.merged_frames import joined
from fraud_system.models.model_settings import LaplaceSettings
from fraud_system.settings import Settings
from fraud_system.switching import Switch

SETTINGS = tiny_settings(publish_every_labels=20)


@pytest.fixture(scope="module")
def good() -> list[Frame]:
    """About forty frames with every kind of table."""
    return recorded(SETTINGS)


def recorded(settings: Settings) -> list[Frame]:
    draw = np.random.default_rng(4)
    lines = [fraud(0, "never comes")]
    for at in range(200):
        lines.append(transaction(at * 2.0, f"{'abcdefgh'[at % 8]}{at}", amount=float(1 + at % 31)))
        if at > 10 and draw.random() < 0.3:
            about = int(draw.integers(max(0, at - 120), at))
            message = fraud if draw.random() < 0.8 else reversal
            lines.append(message(at * 2.0 + 0.5, f"{'abcdefgh'[about % 8]}{about}"))
    lines.append(tick(700))
    ledger = MemoryLedger()
    engine, learner = replay.start(settings, ledger)
    for number, _ in enumerate(replay.run(engine, learner, ledger, arrivals_of(lines).batches(13))):
        if number in (8, 12):
            health = Health.HEURISTIC if number == 8 else Health.MODEL
            ledger.append([engine.switch(Switch(health, "drill: ünïcödé " + "ü" * 200))])
    frames = list(ledger.frames())
    assert len([f for f in frames if "published" in f.tables]) > 6
    assert set(joined(frames)) == {
        *("transaction", "decision", "label", "tick", "resolved"),
        *("dead_letter", "published", "mode"),
    }
    return frames


def ledger_of(frames: list[Frame]) -> MemoryLedger:
    ledger = MemoryLedger()
    ledger.append(frames)
    return ledger


def holding(frames: list[Frame], table: str, nth: int = 2) -> int:
    """Place of the nth frame that has this table."""
    return [place for place, frame in enumerate(frames) if table in frame.tables][nth]


def changed(
    frames: list[Frame], place: int, change: Callable[[dict[str, Table]], Any], **others: Any
) -> list[Frame]:
    """The frames, with the tables of one of them changed in place."""
    frame = frames[place]
    tables = {n: {c: array.copy() for c, array in t.items()} for n, t in frame.tables.items()}
    change(tables)
    about = {
        "first_seq": frame.first_seq,
        "last_seq": frame.last_seq,
        "known_time_us": frame.known_time_us,
    }
    return [*frames[:place], Frame(**about | others, tables=tables), *frames[place + 1 :]]


def test_a_good_ledger_is_accepted_to_its_end(good: list[Frame]) -> None:
    assert list(replay.verify(SETTINGS, ledger_of(good))) == [frame.last_seq for frame in good]


def as_written_before(frames: list[Frame]) -> list[Frame]:
    """As a release wrote them that knew no keys of labels."""
    for place, frame in enumerate(frames):
        if "label" in frame.tables:
            frames = changed(frames, place, lambda tables: tables["label"].pop("label_key"))
    return frames


def test_a_ledger_without_keys_of_labels_is_compared_in_all_else(good: list[Frame]) -> None:
    older = as_written_before(good)
    assert all("label_key" not in frame.tables.get("label", {}) for frame in older)
    mixed = older[:20] + good[20:]
    for frames in (older, mixed):
        assert list(replay.verify(SETTINGS, ledger_of(frames)))[-1] == good[-1].last_seq
    bad = changed(older, holding(older, "label"), put("label", "outcome", 5))
    with pytest.raises(ReplayMismatch, match=r"label\.outcome was"):
        list(replay.verify(SETTINGS, ledger_of(bad)))
    for name in ("is_fraud", "source"):
        bad = changed(good, holding(good, "label"), lambda t, name=name: t["label"].pop(name))
        with pytest.raises(ReplayMismatch, match="cannot be replayed"):
            list(replay.verify(SETTINGS, ledger_of(bad)))


def test_the_keys_of_older_labels_are_those_that_they_would_have_now(good: list[Frame]) -> None:
    engine = Engine(SETTINGS)
    for frame, older in zip(good, as_written_before(good), strict=True):
        keys = engine.inputs_of(older).labels.label_key
        assert keys.tolist() == frame.tables.get("label", {}).get("label_key", keys[:0]).tolist()
    now, before = (
        list(dead_letters(ledger_of(frames))) for frames in (good, as_written_before(good))
    )
    assert [row["label_key"].tolist() for row in before] == [r["label_key"].tolist() for r in now]
    assert now


def one_ulp(table: str, column: str) -> Callable[[dict[str, Table]], None]:
    def change(tables: dict[str, Table]) -> None:
        array = tables[table][column]
        array.flat[-1] = np.nextafter(array.flat[-1], np.array(9, array.dtype))

    return change


def test_a_ledger_of_laplace_is_accepted_and_a_changed_weight_found() -> None:
    """Publications every 20 labels, blocks of 7."""
    settings = replace(SETTINGS, model=LaplaceSettings(block_labels=7))
    frames = recorded(settings)
    seen = list(replay.verify(settings, ledger_of(frames)))
    assert seen == [frame.last_seq for frame in frames]
    weights = [f.tables["published"]["weight"] for f in frames if "published" in f.tables]
    assert np.count_nonzero(weights[-1]) > 2
    bad = changed(frames, holding(frames, "published"), one_ulp("published", "weight"))
    with pytest.raises(ReplayMismatch, match=r"published\.weight was"):
        list(replay.verify(settings, ledger_of(bad)))


def put(table: str, column: str, value: Any) -> Callable[[dict[str, Table]], None]:
    def change(tables: dict[str, Table]) -> None:
        assert tables[table][column][-1] != value, "nothing would change"
        tables[table][column][-1] = value

    return change


CHANGES = {
    "probability": (
        *("decision", one_ulp("decision", "probability")),
        "decision.probability was",
    ),
    "probability of the model": (
        *("decision", one_ulp("decision", "probability_model")),
        "decision.probability_model was",
    ),
    "feature": (*("decision", one_ulp("decision", "features")), "decision.features was"),
    "expected loss": (
        *("decision", one_ulp("decision", "expected_loss")),
        "decision.expected_loss was",
    ),
    "action": (*("decision", put("decision", "action", 2)), "decision.action was"),
    "scorer": (*("decision", put("decision", "scorer", 1)), "decision.scorer was"),
    "version": (
        *("decision", put("decision", "weights_version", 77)),
        "decision.weights_version was",
    ),
    "resolution": (
        *("resolved", put("resolved", "resolution", Resolution.REVERSED)),
        "resolved.resolution was",
    ),
    "whose resolution": (
        *("resolved", put("resolved", "transaction_seq", 3)),
        "resolved.transaction_seq was",
    ),
    "outcome": (*("label", put("label", "outcome", 5)), "label.outcome was"),
    "dead letter": (
        *("dead_letter", put("dead_letter", "label_seq", 99)),
        "dead_letter.label_seq was",
    ),
    "weight": (*("published", one_ulp("published", "weight")), "published.weight was"),
    "mean": (*("published", one_ulp("published", "mean")), "published.mean was"),
    "rate": (*("published", one_ulp("published", "rates")), "published.rates was"),
    "learned through": (
        *("published", put("published", "learned_through_seq", 1)),
        "published.learned_through_seq was",
    ),
    "weights of a later version": (
        *("published", put("published", "version", 3)),
        r"weights version \[3\] had not been learned by then",
    ),
    "settings": (*("published", put("published", "settings", b"x")), "published.settings was"),
    "input": (*("transaction", put("transaction", "amount", 1e6)), r"decision\."),
    "input that would be refused": (
        *("transaction", put("transaction", "amount", -1.0)),
        "cannot be replayed",
    ),
    "input out of order": (
        *("transaction", put("transaction", "known_time_us", 0)),
        "known_time_us: decreases",
    ),
    "state that does not exist": (*("mode", put("mode", "health", 7)), "cannot be replayed"),
    "mode against its state": (*("mode", put("mode", "mode", 1)), "mode.mode was"),
    "reason": (*("mode", put("mode", "reason", b"another")), "mode.reason was"),
}
NTH = {"dead letter": 0, "state that does not exist": 1, "mode against its state": 1, "reason": 1}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found_and_named(good: list[Frame], name: str) -> None:
    table, change, expected = CHANGES[name]
    place = holding(good, table, NTH.get(name, 2))
    bad, passed = ledger_of(changed(good, place, change)), []
    with pytest.raises(ReplayMismatch, match=expected) as found:
        passed.extend(replay.verify(SETTINGS, bad))
    assert found.value.field.startswith(f"seq {good[place].first_seq}")
    assert passed == [frame.last_seq for frame in good[:place]], "all before it came out the same"


def test_a_switch_that_did_not_happen_is_found_where_it_matters(good: list[Frame]) -> None:
    place = holding(good, "mode", 1)

    def never_back(tables: dict[str, Table]) -> None:
        put("mode", "health", Health.FORCED)(tables)
        put("mode", "mode", Scorer.HEURISTIC)(tables)

    bad = ledger_of(changed(good, place, never_back))
    with pytest.raises(ReplayMismatch, match=r"decision\.expected_loss was"):
        list(replay.verify(SETTINGS, bad))


@pytest.mark.parametrize("table", ["published", "decision", "mode"])
def test_the_time_of_a_frame_is_compared(good: list[Frame], table: str) -> None:
    place = holding(good, table, 1)
    later_us = good[place].known_time_us + 1
    bad = changed(good, place, lambda tables: None, known_time_us=later_us)
    with pytest.raises(ReplayMismatch, match="known_time_us"):
        list(replay.verify(SETTINGS, ledger_of(bad)))


def test_a_missing_row_column_or_table_is_found(good: list[Frame]) -> None:
    def without_last_row(tables: dict[str, Table]) -> None:
        tables["resolved"] = {name: column[:-1] for name, column in tables["resolved"].items()}

    place = holding(good, "resolved")
    for change, expected in (
        (without_last_row, r"resolved\."),
        (lambda tables: tables["resolved"].pop("source"), r"resolved\.source"),
        (lambda tables: tables.pop("resolved"), r"resolved\."),
        (lambda tables: tables.update(more=tables["resolved"]), r"more\."),
    ):
        with pytest.raises(ReplayMismatch, match=expected):
            list(replay.verify(SETTINGS, ledger_of(changed(good, place, change))))


def test_weights_published_before_the_label_that_made_them_due_are_found(good: list[Frame]) -> None:
    """A publication and the frame before it change places; every seq is mended."""
    place = holding(good, "published", 3)
    before, published = good[place - 1], good[place]
    first = before.first_seq

    def moved(seq: np.ndarray) -> np.ndarray:
        return np.where(seq >= first, seq + 1, seq)

    tables = {
        table: {
            name: moved(column) if name in ("seq", "transaction_seq", "label_seq") else column
            for name, column in columns.items()
        }
        for table, columns in before.tables.items()
    }
    early = {**published.tables["published"], "seq": np.array([first])}
    swapped = [
        Frame(first, first, good[place - 2].known_time_us, {"published": early}),
        Frame(first + 1, before.last_seq + 1, before.known_time_us, tables),
    ]
    bad = [*good[: place - 1], *swapped, *good[place + 1 :]]
    with pytest.raises(ReplayMismatch, match=r"version \[3\] had not been learned by then"):
        list(replay.verify(SETTINGS, ledger_of(bad)))


def test_two_publications_in_the_wrong_order_are_found(good: list[Frame]) -> None:
    left, right = holding(good, "published", 2), holding(good, "published", 3)

    def take_from(frame: Frame) -> Callable[[dict[str, Table]], None]:
        def change(tables: dict[str, Table]) -> None:
            tables["published"] |= {
                name: column for name, column in frame.tables["published"].items() if name != "seq"
            }

        return change

    bad = changed(good, left, take_from(good[right]))
    bad = changed(bad, right, take_from(good[left]))
    with pytest.raises(ReplayMismatch, match=r"version \[3\] had not been learned by then"):
        list(replay.verify(SETTINGS, ledger_of(bad)))


def test_weights_adopted_a_second_time_are_found(good: list[Frame]) -> None:
    place = holding(good, "published", 3)
    again = {**good[place].tables["published"], "seq": np.array([good[place].last_seq + 1])}
    seq = good[place].last_seq + 1
    frame = Frame(seq, seq, good[place].known_time_us, {"published": again})
    with pytest.raises(ReplayMismatch, match="had not been learned"):
        list(replay.verify(SETTINGS, ledger_of([*good[: place + 1], frame])))


def test_other_settings_are_found_at_the_first_frame(good: list[Frame]) -> None:
    with pytest.raises(ReplayMismatch, match=r"seq 1\.\.1: published\.") as found:
        list(replay.verify(tiny_settings(publish_every_labels=21), ledger_of(good)))
    assert "settings" in str(found.value)
