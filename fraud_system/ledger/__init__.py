"""Where the events are kept: append-only, ordered, durable, the only thing the parts share.

Reading order: `base` (what a ledger promises), `codec` (frame <-> bytes), `places` (what is indexed),
`snapshots` (arrays <-> records), `memory`; then the durable one: `sqlite`, its `sqlite_file`,
`sqlite_schema` and `sqlite_index`, and `snapshot_files`.

>>> import numpy as np
>>> from fraud_system.events import Frame
>>> tick = Frame(1, 1, 5, {"tick": {"seq": np.array([1]), "known_time_us": np.array([5])}})
>>> with MemoryLedger() as ledger:
...     ledger.append([tick])
...     [frame.last_seq for frame in ledger.frames()]
[1]
"""

from fraud_system.ledger.base import SNAPSHOTS_KEPT, Ledger
from fraud_system.ledger.codec import (
    FORMAT_VERSION,
    MAX_FRAME_BYTES,
    decode_arrays,
    decode_frame,
    encode_arrays,
    encode_frame,
)
from fraud_system.ledger.memory import MemoryLedger
from fraud_system.ledger.sqlite import SqliteLedger

__all__ = [
    "FORMAT_VERSION",
    "MAX_FRAME_BYTES",
    "SNAPSHOTS_KEPT",
    "Ledger",
    "MemoryLedger",
    "SqliteLedger",
    "decode_arrays",
    "decode_frame",
    "encode_arrays",
    "encode_frame",
]
