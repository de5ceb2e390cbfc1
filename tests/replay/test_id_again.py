"""An id that comes again beyond the label horizon is a new transaction, on every ledger."""

from pathlib import Path

import pytest
from ledgers import LEDGERS, opened
from streams import HORIZON_S, arrivals_of, cut, digest, fraud, tick, tiny_settings, transaction

from fraud_system import replay
from fraud_system.keys import key_of
from fraud_system.ledger import MemoryLedger
from fraud_system.merged_frames import joined

SETTINGS = tiny_settings(publish_every_labels=2)
AGAIN_S = HORIZON_S + 2.0
LINES = [
    transaction(1, "a", amount=5.0),
    transaction(1, "b"),
    fraud(2, "a"),
    transaction(HORIZON_S - 5, "c"),
    transaction(HORIZON_S - 4, "a"),  # too early: still known, refused
    tick(HORIZON_S),
    transaction(AGAIN_S, "a", amount=9.0),
    transaction(AGAIN_S + 1, "d"),
    fraud(AGAIN_S + 2, "a"),
    fraud(AGAIN_S + 3, "c"),
    tick(AGAIN_S + 500),
]


@pytest.mark.parametrize("kind", LEDGERS)
@pytest.mark.parametrize("batch", [1, 3, len(LINES)])
@pytest.mark.parametrize("batches_in_commit", [1, 2, 50])
def test_an_id_that_comes_again_beyond_the_horizon(
    kind: str, batch: int, batches_in_commit: int, tmp_path: Path
) -> None:
    with opened(kind, tmp_path) as ledger:
        engine, learner = replay.start(SETTINGS, ledger)
        refused = replay.Refused()
        batches = cut(arrivals_of(LINES), [batch])
        for each in replay.run(engine, learner, ledger, batches, batches_in_commit):
            refused.merge(each)
        assert refused.transaction_id == {"duplicate transaction id": ["a"]}
        found = ledger.seq_of(key_of("a"))
        assert found is not None
        table = ledger.frame_at(found).tables["transaction"]
        assert table["amount"][table["seq"] == found].tolist() == [9.0]
        assert len(ledger.label_seqs(key_of("a"))) == 1, "both reports have one key"
        frauds = joined(ledger.frames())["resolved"]
        assert found in frauds["transaction_seq"][frauds["resolution"] == 1]

        assert list(replay.verify(SETTINGS, ledger))[-1] == ledger.last_seq
        recovered = replay.recover(SETTINGS, ledger)
        assert digest(MemoryLedger(), *recovered) == digest(MemoryLedger(), engine, learner)
        assert recovered[0].oldest_open_seq == engine.oldest_open_seq
