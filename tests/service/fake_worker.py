"""A worker that misbehaves, as its first argument says.

It imports nothing of the project: it starts fast, and its messages are written by hand.
"""

import json
import os
import signal
import struct
import sys
import time


def message(header: dict, payload: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<4sII", b"FRMS", len(text), len(payload)) + text + payload


def say(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def heartbeat(seq: int) -> bytes:
    return message({"kind": "heartbeat", "read_through_seq": seq, "figures": {"learned_labels": 5}})


def until_stdin_closes() -> None:
    while os.read(0, 4_096):
        pass


def main(behaviour: str) -> None:
    if behaviour == "dies at once":
        print("Traceback: a long story\nLedgerError: no\x1b[31m ledger", file=sys.stderr)
        sys.exit(3)
    elif behaviour == "dies when told":
        say(heartbeat(1))
        signal.pause()
    elif behaviour == "behaves":
        say(heartbeat(7))
        say(message({"kind": "snapshot_saved", "name": "engine", "seq": 6}))
        until_stdin_closes()
    elif behaviour == "speaks once":
        say(heartbeat(7))
        time.sleep(3_600)
    elif behaviour == "never speaks":
        time.sleep(3_600)
    elif behaviour == "closes stdout":
        say(heartbeat(7))
        os.close(1)
        time.sleep(3_600)
    elif behaviour == "floods":
        while True:
            say(heartbeat(1) * 100)
    elif behaviour == "floods stderr":
        say(heartbeat(7))
        while True:
            os.write(2, b"x" * 65_536)
    elif behaviour == "writes garbage":
        say(b"Hello world, this is no message.\n")
        time.sleep(3_600)
    elif behaviour == "announces too much":
        say(struct.pack("<4sII", b"FRMS", 10, 2**32 - 1) + b"x" * 100_000)
        time.sleep(3_600)
    elif behaviour == "ends within a message":
        say(heartbeat(7)[:-3])
    elif behaviour == "clings":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say(heartbeat(7))
        while True:
            time.sleep(3_600)
    else:
        sys.exit(f"unknown: {behaviour}")


if __name__ == "__main__":
    main(sys.argv[1])
