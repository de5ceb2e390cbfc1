"""What a ledger must say about answers that a client has read, and about its own recovery."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from hard_load import Book

from fraud_system.engine import Engine
from fraud_system.events import Action, Scorer
from fraud_system.keys import key_of
from fraud_system.labels import Outcome
from fraud_system.learner import Learner
from fraud_system.ledger import SqliteLedger
from fraud_system.merged_frames import joined
from fraud_system.recovery import recover_engine
from fraud_system.replay import recover_learner, verify
from fraud_system.settings import Settings
from serving.workers.running import read_settings

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def settings_beside(ledger_file: Path) -> Settings:
    return read_settings(Path(f"{ledger_file}-settings.json"))


def check_book(book: Book, ledger_file: Path) -> set[str]:
    """Every answer is what is stored, and nothing is stored twice; returns all stored ids."""
    with SqliteLedger(ledger_file, read_only=True) as ledger:
        tables = joined(ledger.frames())
    decided, labels = _decisions(tables), _labels(tables)
    for name, answer in book.answers.items():
        stored = decided[name] if "probability" in answer else labels[key_of(name)]
        assert {field: answer[field] for field in stored} == stored
    sent = {name for name, row in book.sent.items() if "amount" in row}
    assert decided.keys() <= sent
    assert labels.keys() <= {key_of(name) for name in book.sent.keys() - sent}
    return decided.keys() | {name for name in book.sent if key_of(name) in labels}


def check_recovery(ledger_file: Path) -> None:
    """The whole ledger replays to its own bytes, and a recovery gives what an uninterrupted replay gives."""
    settings = settings_beside(ledger_file)
    with SqliteLedger(ledger_file, read_only=True) as ledger:
        assert max(verify(settings, ledger)) == ledger.last_seq
        engine, learner = Engine(settings), Learner(settings)
        learner.first_publication()
        for frame in ledger.frames():
            engine.refold(frame)
            learner.fold(frame)
        same_arrays(recover_engine(settings, ledger).to_arrays(), engine.to_arrays())
        same_arrays(recover_learner(settings, ledger)[0].to_arrays(), learner.to_arrays())


def same_arrays(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Byte for byte."""
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        other = theirs[name]
        assert (array.dtype, array.shape) == (other.dtype, other.shape), name
        assert array.tobytes() == other.tobytes(), name


def _decisions(tables: dict[str, Any]) -> dict[str, dict[str, Any]]:
    transaction, decision = tables["transaction"], tables["decision"]
    assert np.array_equal(transaction["seq"], decision["seq"])
    columns = (
        transaction["transaction_id"],
        transaction["known_time_us"],
        decision["seq"],
        decision["probability"],
        decision["expected_loss"],
        decision["action"],
        decision["scorer"],
        decision["weights_version"],
    )
    found = {
        name.decode(): {
            "known_time": _written(known_us),
            "seq": seq,
            "probability": probability,
            "expected_loss": loss,
            "action": Action(action).name.lower(),
            "scorer": Scorer(scorer).name.lower(),
            "weights_version": version,
        }
        for name, known_us, seq, probability, loss, action, scorer, version in zip(
            *(column.tolist() for column in columns), strict=True
        )
    }
    assert len(found) == len(transaction["seq"]), "an id is stored twice"
    return found


def _labels(tables: dict[str, Any]) -> dict[int, dict[str, Any]]:
    table = tables["label"]
    columns = (table["label_key"], table["known_time_us"], table["seq"], table["outcome"])
    found = {
        key: {
            "known_time": _written(known_us),
            "seq": seq,
            "outcome": Outcome(outcome).name.lower(),
        }
        for key, known_us, seq, outcome in zip(*(each.tolist() for each in columns), strict=True)
    }
    assert len(found) == len(table["seq"]), "a report is stored twice"
    return found


def _written(known_us: int) -> str:
    """As the answers write times."""
    return (EPOCH + timedelta(microseconds=known_us)).isoformat().replace("+00:00", "Z")
