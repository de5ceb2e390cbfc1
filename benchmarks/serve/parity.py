"""Were the answers those that a replay of the ledger gives? Every byte of it is computed again."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.table import Row
from fraud_system.ledger import SqliteLedger
from fraud_system.replay import verify
from serving.system import prepare


def replayed(ledger_file: Path, served: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Replay the ledger from empty, and look every served answer up in it, bit for bit.

    Raises:
        ReplayMismatch: an event of the ledger comes out otherwise.
    """
    settings = prepare(ledger_file).settings
    recorded: dict[int, float] = {}
    with SqliteLedger(ledger_file, read_only=True) as ledger:
        *_, last_seq = verify(settings, ledger)
        for frame in ledger.frames():
            if "decision" in frame.tables:
                table = frame.tables["decision"]
                both = zip(table["seq"].tolist(), table["probability"].tolist(), strict=True)
                recorded.update(both)
    different = sum(_bits(each["probability"]) != _bits(recorded[each["seq"]]) for each in served)
    return [
        Row("events that a replay from empty gave again, byte for byte", last_seq, "events"),
        Row("answers that were kept and looked up in it", len(served), "answers"),
        Row("of them with another probability", different, "answers"),
    ]


def _bits(value: float) -> bytes:
    return struct.pack("<d", value)
