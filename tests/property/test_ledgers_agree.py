"""Whatever is done to them, the ledger in memory and the durable one say the same."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgers import LEDGERS, frame_of, opened

from fraud_system.errors import LedgerError
from fraud_system.ledger import encode_frame

# Few keys, so that most come again; some beyond the signed integers.
KEYS = [1, 2, 3, 2**63, 2**64 - 1]
KEY = st.sampled_from(KEYS)
FEW = {"max_size": 3}
CONTENT = st.tuples(
    st.lists(KEY, **FEW), st.lists(st.tuples(KEY, KEY), **FEW), st.lists(st.integers(0, 3), **FEW)
)
FOLDS = ["engine", "learner", "monitor"]
# Places that matter: where a key is stored, just before, just after; and nowhere near.
PLACE = st.tuples(KEY, st.sampled_from([-1, 0, 1, 1_000]))
OPERATION = st.one_of(
    st.tuples(st.just("append"), st.lists(CONTENT, max_size=3), PLACE, st.integers(-1, 9)),
    st.tuples(st.just("save"), st.sampled_from(FOLDS), PLACE),
    st.tuples(st.just("drop"), PLACE, st.integers(0, 12)),
    st.tuples(st.just("drop needless"), st.integers(0, 12)),
    st.tuples(st.just("open again")),
)


def seq_at(ledger, place):
    key, beside = place
    stored = [ledger.seq_of(key) or 0, *ledger.known_labels([key]).values()]
    return max(0, max(stored) + beside)


def append(ledger, contents, place, gap):
    """Frames that mostly continue the ledger."""
    first, frames = ledger.last_seq + 1 + (gap == 0), []
    for content in contents:
        frames.append(frame_of(first, *content))
        first = frames[-1].last_seq + 1
    ledger.append(frames, seq_at(ledger, place))


def save(ledger, name, place):
    seq = seq_at(ledger, place)
    ledger.save_snapshot(name, seq, {"at": np.array([seq])})


def drop(ledger, place, at_most_events):
    return ledger.drop_before(seq_at(ledger, place), at_most_events)


def drop_needless(ledger, at_most_events):
    return ledger.drop_before(ledger.needed_from_seq, at_most_events)


ACTIONS = {"append": append, "save": save, "drop": drop, "drop needless": drop_needless}


def attempt(ledger, action, arguments):
    try:
        return action(ledger, *arguments)
    except LedgerError as error:
        return type(error), error.problem


def told(ledger):
    """Everything that can be asked."""
    return {
        "first": ledger.first_seq,
        "last": ledger.last_seq,
        "needed": ledger.needed_from_seq,
        "frames": [encode_frame(each) for each in ledger.frames(ledger.first_seq - 1)],
        "all": attempt(ledger, lambda given: len(list(given.frames())), ()),
        "oldest": attempt(ledger, lambda given: given.frame_at(1).last_seq, ()),
        "transactions": [ledger.seq_of(key) for key in KEYS],
        "about": [ledger.label_seqs(key) for key in KEYS],
        "labels": ledger.known_labels(KEYS),
        "snapshots": [
            ledger.latest_snapshot(name, seq)
            for name in FOLDS
            for seq in [None, *range(ledger.last_seq)]
        ],
        "published": [ledger.publication_seq(version) for version in range(4)],
    }


@settings(deadline=None, max_examples=60)
@given(st.lists(OPERATION, max_size=12))
def test_memory_and_disk_agree(operations):
    with tempfile.TemporaryDirectory() as folder:
        memory, disk = (opened(kind, Path(folder)) for kind in LEDGERS)
        for name, *arguments in operations:
            if name == "open again":
                disk.close()
                disk = opened("sqlite", Path(folder))
                continue
            action = ACTIONS[name]
            assert attempt(memory, action, arguments) == attempt(disk, action, arguments)
            assert told(memory) == told(disk)
        assert told(memory) == told(disk)
        disk.close()


def test_it_would_notice_a_difference():
    with tempfile.TemporaryDirectory() as folder:
        memory, disk = (opened(kind, Path(folder)) for kind in LEDGERS)
        memory.append([frame_of(1, labels=[(1, 2)])])
        disk.append([frame_of(1, labels=[(1, 3)])])
        assert told(memory) != told(disk)
        assert np.array_equal(memory.label_seqs(2), disk.label_seqs(3))
        disk.close()
