"""The engine: the only writer. It gives the order, scores, joins labels, and says what the ledger records.

A fold: `state, inputs -> state, frame`. It reads no clock and does no I/O; the caller appends the frame
to a ledger before it lets anybody see the answers. Where the engine writes a publication *is* its
adoption, so replaying the ledger gives the same answers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system import kernel, label_views, labels
from fraud_system.errors import ArtefactError
from fraud_system.events import (
    Arrivals,
    Frame,
    Health,
    Scorer,
    Table,
)
from fraud_system.features import state as feature_state
from fraud_system.features.layout import compile_layout, compile_program, meetings
from fraud_system.frames import (
    DECISION_COLUMNS,
    MAX_RESOLVED_IN_FRAME,
    arrivals_of,
    empty_tables,
    frame_of,
    input_of,
    room_for,
)
from fraud_system.kernel import Core, Output, Scratch
from fraud_system.latency_summary import LatencySummary
from fraud_system.models.heuristic import rule_arrays
from fraud_system.models.recalibration import IDENTITY
from fraud_system.models.scoring import Served
from fraud_system.publication import ARRAYS, Publication
from fraud_system.settings import Settings
from fraud_system.switching import Switch

NO_LIMIT = np.iinfo(np.int64).max

STATUS = {
    kernel.DUPLICATE_ID: "duplicate transaction id",
    kernel.TOO_LATE: "event time too far in the past",
    kernel.TOO_FAR_AHEAD: "event time in the future",
    kernel.NOT_USABLE: "amount or number that no sum could hold",
}


@dataclass(frozen=True)
class Folded:
    """What became of some inputs.

    Args:
        frame: what the ledger shall record, or None if nothing happened.
        consumed: position of the first input that was not taken yet.
        status: (consumed - start,) 0 where accepted, otherwise a key of `STATUS`.
    """

    frame: Frame | None
    consumed: int
    status: NDArray[np.uint8]


class Engine:
    """The state of one partition: counters, open labels, weights in force.

    Args:
        settings: see `Settings`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        listed = settings.features
        names, positions = listed.names, {name: i for i, name in enumerate(listed.names)}
        rules = rule_arrays(settings.rules, names)
        pairs = np.array([[positions[a], positions[b]] for a, b in listed.pairs], np.int64)
        left, right = pairs.reshape(-1, 2).T
        pair_count, size = len(listed.pairs), len(names)
        self._core = Core(
            features=feature_state.empty_state(listed),
            layout=compile_layout(listed),
            program=compile_program(listed),
            meetings=np.array(meetings(listed), np.int64).reshape(-1, 2),
            joiner=labels.empty_joiner(settings.labels, len(listed.entities)),
            served=Served(
                mean=np.zeros(size),
                deviation=np.zeros(size),
                weight=np.zeros(size + pair_count),
                intercept=np.full(1, np.nan),
                left=np.ascontiguousarray(left),
                right=np.ascontiguousarray(right),
                squash_limit=np.array([settings.model.squash_limit]),
                recalibration=IDENTITY.copy(),
                rule_feature=rules.feature,
                rule_above=rules.above,
                rule_threshold=rules.threshold,
                rates=np.full(len(settings.rules) + 2, settings.model.prevalence),
            ),
            costs=settings.costs.array(),
            clock=np.array([1, 0, Scorer.MODEL, -1, Health.MODEL], np.int64),
            lateness_us=np.array([settings.max_lateness_s, settings.max_ahead_s]) * 1_000_000,
        )

        entities = len(listed.entities)
        self._scratch = Scratch(np.zeros(entities, np.int64), np.zeros(entities), np.zeros(size))

    @property
    def last_seq(self) -> int:
        """The last seq that was given; 0 when nothing has happened."""
        return int(self._core.clock[kernel.NEXT_SEQ]) - 1

    @property
    def known_time_us(self) -> int:
        """Of the last event."""
        return int(self._core.clock[kernel.NOW_US])

    @property
    def weights_version(self) -> int:
        """Of the weights in force; -1 before the first publication."""
        return int(self._core.clock[kernel.VERSION])

    @property
    def mode(self) -> Scorer:
        """Who answers."""
        return Scorer(int(self._core.clock[kernel.MODE]))

    @property
    def served(self) -> Served:
        """What answers now; not to be written to."""
        return self._core.served

    def served_with(self, publication: Publication) -> Served:
        """What answered, or would answer, under the weights of a publication."""
        arrays = {name: np.array(getattr(publication, name)) for name in ARRAYS}
        return self._core.served._replace(**arrays)

    def label_counts(self) -> dict[str, int]:
        """What the joiner has done so far, by name."""
        return label_views.counts_by_name(self._core.joiner)

    def label_silence_s(self) -> float:
        """Seconds without any label message; infinite before the first."""
        return label_views.silence_s(self._core.joiner, self.known_time_us)

    @property
    def health(self) -> Health:
        """The state of the switch."""
        return Health(int(self._core.clock[kernel.HEALTH]))

    @property
    def oldest_open_seq(self) -> int:
        """Of the oldest transaction that can still be joined; `last_seq + 1` if there is none.

        The id of a transaction before it may come again, and is then a new transaction.
        """
        oldest = label_views.oldest_seq(self._core.joiner)
        return self.last_seq + 1 if oldest is None else oldest

    def label_status(self, transaction_key: int) -> str | None:
        """What is known of a transaction: one of `label_views.STATUS_NAMES`, None beyond the horizon."""
        return label_views.status_of(self._core.joiner, transaction_key)

    def memory_bytes(self) -> int:
        """Of the state: bounded by entities and by transactions within the label horizon."""
        return _size(self._core)

    def fold(
        self,
        arrivals: Arrivals,
        start: int = 0,
        resolve_limit: int = MAX_RESOLVED_IN_FRAME,
        stop_seq: int = NO_LIMIT,
        action: NDArray[np.uint8] | None = None,
    ) -> Folded:
        """Take inputs from position `start`, in order.

        Stops early when `resolve_limit` labels have been resolved (so that a publication can be placed
        right there) or when the next event would have `stop_seq`. A refused input leaves no trace.

        Where somebody else decides (see `challenger`), `action` (transactions,) is what was done about
        each: the counters take that, and the decision of this engine is only recorded.

        Raises:
            DataError: known times decrease, a key is 0, or the columns do not fit the settings. Nothing
                has been taken then.
        """
        listed = self.settings.features
        given = input_of(arrivals, start, action, listed, self.known_time_us)
        self._make_room(len(arrivals.transactions))
        sizes = len(arrivals.transactions), len(arrivals.labels), len(arrivals.tick_us)
        out = room_for(*sizes, resolve_limit, len(listed.features))
        first = self.last_seq + 1
        consumed = kernel.fold(
            self._core, given, start, resolve_limit, stop_seq, self._scratch, out
        )
        frame = self._frame(first, arrivals, out)
        return Folded(frame, consumed, out.status[start:consumed])

    def advance(
        self, known_time_us: int, stop_seq: int, resolve_limit: int = NO_LIMIT
    ) -> Frame | None:
        """Resolve what is due at a known time, up to a recorded event: the tail of a cut-off frame."""
        nothing = Arrivals.merge(*empty_tables(self.settings.features))
        out = room_for(0, 0, 0, MAX_RESOLVED_IN_FRAME, 0)
        first = self.last_seq + 1
        kernel.resolve_due(self._core, known_time_us, resolve_limit, stop_seq, out)
        return self._frame(first, nothing, out)

    def score(self, features: NDArray[np.float32]) -> Table:
        """The decision columns of logged features (n, d) under what is in force now; changes nothing.

        Amounts are not features: expected losses and actions are those of an amount of 0.
        """
        out = room_for(len(features), 0, 0, 0, features.shape[1])
        out.features[:] = features
        kernel.score(self._core, self._scratch.term, out)
        return {name: getattr(out, name) for name in DECISION_COLUMNS}

    def adopt(self, publication: Publication, champion: Table | None = None) -> Frame:
        """Serve new weights from here on; `champion` is recorded beside them (see `champion`).

        Raises:
            ArtefactError: they belong to other settings, have the wrong shape, or are not newer than
                those in force. Versions may be skipped, as a learner may lag. A champion's version is
                the seq of its frame.
        """
        publication.check_fits(self.settings)
        if publication.version <= self.weights_version:
            raise ArtefactError(
                f"{publication.version} is not newer than {self.weights_version}", field="version"
            )
        seq = self.last_seq + 1
        tables = {"published": publication.table(seq)}
        if champion is not None:
            if publication.version != seq:
                raise ArtefactError(f"of a champion is {seq} here", field="version")
            tables["champion"] = champion | {"seq": np.array([seq])}
        self._core = self._core._replace(served=self.served_with(publication))
        self._core.clock[kernel.VERSION] = publication.version
        return self._single_event(tables)

    def switch(self, switch: Switch) -> Frame:
        """Let the model or plan B answer from here on."""
        self._core.clock[kernel.MODE] = switch.mode
        self._core.clock[kernel.HEALTH] = switch.health
        return self._single_event({"mode": switch.table(self.last_seq + 1)})

    def measured(self, summary: LatencySummary) -> Frame:
        """Record how fast answers were; nothing here depends on it."""
        return self._single_event({"latency": summary.table(self.last_seq + 1)})

    def refold(self, frame: Frame) -> list[Frame]:
        """Take a recorded frame again: its inputs are folded, its publications and switches adopted.

        Returns what this engine says; recovery ignores it, a replay compares it (see `replay`).
        """
        made: list[Frame | None] = []
        if "published" in frame.tables:
            publication = Publication.from_table(frame.tables["published"])
            made.append(self.adopt(publication, frame.tables.get("champion")))
        elif "mode" in frame.tables:
            made.append(self.switch(Switch.from_table(frame.tables["mode"])))
        elif "latency" in frame.tables:
            made.append(self.measured(LatencySummary.from_table(frame.tables["latency"])))
        else:
            stop = frame.last_seq + 1
            made.append(self.fold(self.inputs_of(frame), 0, NO_LIMIT, stop).frame)
            if self.last_seq < frame.last_seq:
                made.append(self.advance(frame.known_time_us, stop))
        return [each for each in made if each is not None]

    def inputs_of(self, frame: Frame) -> Arrivals:
        """The inputs of a recorded frame, in their order."""
        return arrivals_of(frame, empty_tables(self.settings.features))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical snapshot: equal histories give equal bytes."""
        core = self._core
        arrays: dict[str, NDArray[Any]] = {"clock": core.clock.copy()}
        arrays["settings"] = np.array([self.settings.fingerprint], "S64")
        for name in ARRAYS:
            arrays[f"served.{name}"] = getattr(core.served, name).copy()
        for name, column in feature_state.to_arrays(core.features).items():
            arrays[f"features.{name}"] = column
        for name, column in labels.to_arrays(core.joiner).items():
            arrays[f"labels.{name}"] = column
        return arrays

    @classmethod
    def from_arrays(cls, settings: Settings, arrays: dict[str, NDArray[Any]]) -> "Engine":
        """The engine of a snapshot.

        Raises:
            ArtefactError: the snapshot was made under other settings.
        """
        if arrays["settings"][0].decode() != settings.fingerprint:
            raise ArtefactError(
                "made under other settings", field="snapshot", fix="replay the ledger from empty"
            )
        engine = cls(settings)

        def part(prefix: str) -> dict[str, NDArray[Any]]:
            cut = len(prefix) + 1
            return {n[cut:]: a for n, a in arrays.items() if n.startswith(prefix + ".")}

        served = {name: np.array(array) for name, array in part("served").items()}
        entities = len(settings.features.entities)
        engine._core = engine._core._replace(
            features=feature_state.from_arrays(settings.features, part("features")),
            joiner=labels.from_arrays(settings.labels, entities, part("labels")),
            served=engine._core.served._replace(**served),
            clock=np.array(arrays["clock"]),
        )
        return engine

    def _make_room(self, transactions: int) -> None:
        core = self._core
        entities, meetings = len(self.settings.features.entities), len(core.meetings)
        features = feature_state.with_room_for(core.features, transactions, entities, meetings)
        joiner = labels.with_room_for(core.joiner, transactions)
        if features is not core.features or joiner is not core.joiner:
            self._core = core._replace(features=features, joiner=joiner)

    def _frame(self, first_seq: int, arrivals: Arrivals, out: Output) -> Frame | None:
        ends = first_seq, self.last_seq, self.known_time_us
        return frame_of(*ends, self.weights_version, arrivals, out)

    def _single_event(self, tables: dict[str, Table]) -> Frame:
        seq = self.last_seq + 1
        self._core.clock[kernel.NEXT_SEQ] += 1
        return Frame(seq, seq, self.known_time_us, tables)


def _size(part: Any) -> int:
    if isinstance(part, np.ndarray):
        return part.nbytes
    return sum(_size(each) for each in part) if isinstance(part, tuple) else 0
