"""The joiner against a second one in plain Python: dicts, no rings, every transaction looked at."""

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from streams import (
    HORIZON_S,
    MATURITY_S,
    MICROSECOND_S,
    ORPHAN_WAIT_S,
    SILENCE_S,
    Line,
    arrivals_of,
    fold_all,
    tiny_settings,
)

from fraud_system.engine import Engine
from fraud_system.events import Kind, Resolution
from fraud_system.frames import MAX_RESOLVED_IN_FRAME
from fraud_system.labels import Outcome
from fraud_system.merged_frames import joined

STEPS_S = (0.0, MICROSECOND_S, 1.0, 10.0, ORPHAN_WAIT_S, SILENCE_S, MATURITY_S, HORIZON_S, 400.0)
LINES = st.lists(
    st.tuples(
        st.sampled_from([Kind.TRANSACTION, Kind.TRANSACTION, Kind.LABEL, Kind.LABEL, Kind.TICK]),
        st.one_of(st.sampled_from(STEPS_S[:4]), st.sampled_from(STEPS_S)),
        st.sampled_from("abcde"),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


@dataclass
class Known:
    """One accepted transaction."""

    name: str
    known_s: float
    seq: int
    status: str = "open"


@dataclass
class Waiting:
    """The latest message about an unknown transaction, and since when one has waited."""

    since_s: float
    seq: int
    is_fraud: bool


@dataclass
class Model:
    """Written from the module's description, not from its code."""

    known: list[Known] = field(default_factory=list)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    events: list[tuple] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)
    last_label_s: float | None = None

    def record(self, *event) -> int:
        self.events.append(event)
        return len(self.events)

    def active(self, name: str, now_s: float) -> Known | None:
        found = [k for k in self.known if k.name == name and later(now_s, k.known_s) <= HORIZON_S]
        return found[-1] if found else None

    def take(self, line: Line) -> None:
        now_s = line.time_s
        if line.kind == Kind.TRANSACTION and self.active(line.name, now_s):
            return
        self.resolve_due(now_s)
        if line.kind == Kind.TICK:
            self.record("tick")
        elif line.kind == Kind.LABEL:
            self.message(line, now_s)
        else:
            seq = self.record("transaction", line.name)
            known = Known(line.name, now_s, seq)
            self.known.append(known)
            early = self.waiting.pop(line.name, None)
            if early is not None:
                self.counts["joined_early"] += 1
                self.join(known, early.is_fraud)

    def resolve_due(self, now_s: float) -> None:
        for name, message in list(self.waiting.items()):
            if later(now_s, message.since_s) > ORPHAN_WAIT_S:
                self.record("dead_letter", message.seq)
                self.counts["dead_letters"] += 1
                del self.waiting[name]
        for known in self.known:
            if known.status == "open" and later(now_s, known.known_s) > MATURITY_S:
                known.status = "matured"
                self.record(Resolution.MATURED, known.seq)
                self.counts["matured"] += 1
                last_s = self.last_label_s
                self.counts["matured_in_silence"] += (
                    last_s is None or later(now_s, last_s) > SILENCE_S
                )

    def message(self, line: Line, now_s: float) -> None:
        seq = self.record("label", line.name)
        self.last_label_s = now_s
        known = self.active(line.name, now_s)
        outcome = self.park(line, now_s, seq) if known is None else self.join(known, line.is_fraud)
        self.counts[outcome.name.lower()] += 1

    def park(self, line: Line, now_s: float, seq: int) -> Outcome:
        held = self.waiting.get(line.name)
        if held is None:
            self.waiting[line.name] = Waiting(now_s, seq, line.is_fraud)
            return Outcome.PARKED
        if held.is_fraud == line.is_fraud:
            return Outcome.DUPLICATE
        held.seq, held.is_fraud = seq, line.is_fraud
        self.counts["superseded"] += 1
        return Outcome.PARKED

    def join(self, known: Known, is_fraud: bool) -> Outcome:
        table = {
            ("open", True): ("fraud", Outcome.FRAUD_JOINED, Resolution.FRAUD),
            ("matured", True): ("fraud", Outcome.LATE_FRAUD_JOINED, Resolution.LATE_FRAUD),
            ("fraud", True): ("fraud", Outcome.DUPLICATE, None),
            ("reversed", True): ("reversed", Outcome.FRAUD_AFTER_REVERSAL, None),
            ("open", False): ("open", Outcome.REVERSAL_WITHOUT_FRAUD, None),
            ("matured", False): ("matured", Outcome.REVERSAL_WITHOUT_FRAUD, None),
            ("fraud", False): ("reversed", Outcome.REVERSAL_JOINED, Resolution.REVERSED),
            ("reversed", False): ("reversed", Outcome.DUPLICATE, None),
        }
        known.status, outcome, resolution = table[known.status, is_fraud]
        if resolution is not None:
            self.record(resolution, known.seq)
        return outcome


def later(now_s: float, then_s: float) -> float:
    """Exactly, in whole microseconds."""
    return round((now_s - then_s) * 1e6) / 1e6


def lines_of(drawn: list[tuple]) -> list[Line]:
    lines, now_s = [], 0.0
    for kind, step_s, name, is_fraud in drawn:
        now_s = round(now_s + step_s, 6)
        lines.append(Line(kind, now_s, "" if kind == Kind.TICK else name, is_fraud))
    return lines


def events_of(tables) -> list[tuple]:
    """What the engine recorded, in the words of the model."""
    found = {}
    for name, columns in (
        ("transaction", ("transaction_id",)),
        ("label", ("transaction_id",)),
        ("tick", ()),
        ("dead_letter", ("label_seq",)),
        ("resolved", ("resolution", "transaction_seq")),
    ):
        table = tables.get(name)
        for row, seq in enumerate([] if table is None else table["seq"].tolist()):
            values = [table[column][row].item() for column in columns]
            values = [v.decode() if isinstance(v, bytes) else v for v in values]
            found[seq] = tuple(values) if name == "resolved" else (name, *values)
    return [found[seq] for seq in sorted(found)]


@settings(max_examples=300, deadline=None)
@given(LINES, st.integers(1, 4), st.lists(st.integers(1, 7), min_size=1, max_size=10))
def test_the_joiner_does_what_the_model_does(drawn, limit, sizes) -> None:
    lines, model = lines_of(drawn), Model()
    for line in lines:
        model.take(line)
    expected_counts = {name: count for name, count in model.counts.items() if count}
    engine = Engine(tiny_settings())
    expired = {}
    for how, pieces, most in (
        ("whole", [lines], MAX_RESOLVED_IN_FRAME),
        ("cut", cuts(lines, sizes), limit),
    ):
        engine, frames = Engine(tiny_settings()), []
        for piece in pieces:
            frames += fold_all(engine, arrivals_of(piece), most)[0]
        assert events_of(joined(frames)) == model.events
        counts = {name: count for name, count in engine.label_counts().items() if count}
        expired[how] = counts.pop("expired", 0)
        assert counts == expected_counts
    assert expired["whole"] == expired["cut"]
    check_invariants(model, engine, expired["whole"])


def cuts(lines: list[Line], sizes: list[int]) -> list[list[Line]]:
    pieces, position = [], 0
    while position < len(lines):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(lines[position : position + size])
        position += size
    return pieces


def check_invariants(model: Model, engine: Engine, expired: int) -> None:
    counts = engine.label_counts()
    labels = sum(event[0] == "label" for event in model.events)
    assert sum(counts[outcome.name.lower()] for outcome in Outcome) == labels
    ended = counts["joined_early"] + counts["superseded"] + counts["dead_letters"]
    assert counts["parked"] == ended + len(model.waiting)
    resolved = [event for event in model.events if isinstance(event[0], Resolution)]
    for seq in {seq for _, seq in resolved}:
        ways = [kind for kind, of in resolved if of == seq]
        assert tuple(ways) in ALLOWED, "each at most once, and in this order only"
    forgotten = len(model.known) - len(engine.to_arrays()["labels.key"])
    assert expired == forgotten


ALLOWED = {
    (Resolution.MATURED,),
    (Resolution.FRAUD,),
    (Resolution.FRAUD, Resolution.REVERSED),
    (Resolution.MATURED, Resolution.LATE_FRAUD),
    (Resolution.MATURED, Resolution.LATE_FRAUD, Resolution.REVERSED),
}
