"""Without its oldest frames a ledger recovers and goes on as before; only a whole replay is no more."""

from pathlib import Path

import pytest
from ledgers import LEDGERS, opened
from streams import (
    arrivals_of,
    cut,
    digest,
    fraud,
    simulated_arrivals,
    simulated_settings,
    tick,
    tiny_settings,
)

from fraud_system import replay
from fraud_system.dead_letters import dead_letters
from fraud_system.errors import LedgerError
from fraud_system.ledger import MemoryLedger

EVENTS = 900


@pytest.mark.parametrize("kind", LEDGERS)
def test_dropping_changes_nothing_that_is_to_come(kind: str, tmp_path: Path) -> None:
    settings, stream = simulated_settings(), simulated_arrivals(EVENTS)
    whole = MemoryLedger()
    expected = replay.start(settings, whole)
    for _ in replay.run(*expected, whole, cut(stream, [40])):
        pass

    with opened(kind, tmp_path) as ledger:
        engine, learner = replay.start(settings, ledger)
        for number, _ in enumerate(replay.run(engine, learner, ledger, cut(stream, [40]))):
            if number % 3 == 2:
                replay.save_snapshot(engine, learner, ledger)
                while ledger.drop_before(ledger.needed_from_seq, 50):
                    pass
                recovered = replay.recover(settings, ledger)
                assert digest(MemoryLedger(), *recovered) == digest(MemoryLedger(), engine, learner)
        assert ledger.first_seq > ledger.last_seq / 2
        assert digest(MemoryLedger(), engine, learner) == digest(MemoryLedger(), *expected)
        with pytest.raises(LedgerError, match="archived"):
            next(replay.verify(settings, ledger))
        older = ledger.latest_snapshot("engine", ledger.last_seq - 1)
        assert older is not None, "the older of the two is still of use"
        assert list(ledger.frames(older[0]))


def test_dead_letters_are_those_that_are_still_held() -> None:
    settings, ledger = tiny_settings(), MemoryLedger()
    engine, learner = replay.start(settings, ledger)
    lines = [fraud(0, "a"), tick(1), fraud(2, "b"), tick(60)]
    for _ in replay.run(engine, learner, ledger, arrivals_of(lines).batches(1)):
        pass
    replay.save_snapshot(engine, learner, ledger)
    names = [row["transaction_id"][0] for row in dead_letters(ledger)]
    assert names == [b"a", b"b"]
    ledger.drop_before(ledger.first_seq + 3)
    assert [row["transaction_id"][0] for row in dead_letters(ledger)] == [b"b"]
