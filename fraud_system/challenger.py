"""A challenger: other features, another model, on the same events, in shadow. Nothing that it says is done.

A further fold over the champion's ledger: it has an engine and a learner of its own and writes to no
ledger. Of each recorded frame it takes the inputs, in the champion's order and at the champion's times,
and what the champion did about each; of the champion's features, weights and mode it takes nothing.

Whoever reads from the first frame has been there from the start. So warming up is nothing but reading: a
challenger that is made today and replays the ledger equals, byte for byte, one that was made on the
first day, however the events were cut into frames. That rests on three rules.

- What was done is what the champion did: counters of approved attempts take the recorded action.
- What it has learned is in force right after the label that made it due, counted along the labels, as
  offline (`replay.run`). It never lags, for nobody waits for it.
- It always answers with its model: plan B is about the champion's health.

Its cost is that of a second champion: state, and the time that a replay of the ledger takes.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fraud_system.engine import Engine
from fraud_system.errors import ConfigError, ReplayMismatch
from fraud_system.events import Frame, Table
from fraud_system.learner import Learner
from fraud_system.ledger import Ledger
from fraud_system.merged_frames import joined
from fraud_system.settings import Settings

SHADOW_COLUMNS = (
    "weights_version",
    "probability",
    "probability_model",
    "expected_loss",
    "action",
    "scorer",
)


class Challenger:
    """Engine and learner of the challenger, and how far they have read.

    Args:
        settings: its own.
        champion: those of the ledger that it reads.

    Raises:
        ConfigError: what the champion accepts, or how it joins labels, is not what these settings would.
    """

    def __init__(self, settings: Settings, champion: Settings) -> None:
        ours, theirs = _of_inputs(settings), _of_inputs(champion)
        for name in ours:
            if ours[name] != theirs[name]:
                raise ConfigError(
                    f"is {ours[name]!r} here and {theirs[name]!r} with the champion",
                    field=name,
                    fix="a challenger reads the same inputs under the same clocks",
                )
        self.engine, self.learner = Engine(settings), Learner(settings)
        self.read_through_seq = 0
        self.learner.fold(self.engine.adopt(self.learner.first_publication()))

    def catch_up(self, ledger: Ledger) -> Iterator[Table]:
        """Read what the champion's ledger has beyond what was read; yields what `fold` returns."""
        for frame in ledger.frames(self.read_through_seq):
            answers = self.fold(frame)
            if answers is not None:
                yield answers

    def fold(self, frame: Frame) -> Table | None:
        """Read the next frame of the champion's ledger.

        Returns what it would have answered: `seq` (of the champion's ledger) and `SHADOW_COLUMNS`, a row
        for each transaction; None if there was none.

        Raises:
            ReplayMismatch: not the next frame, or not one of a champion with the settings that were
                given. In the second case this challenger is of no use any more.
        """
        if frame.first_seq != self.read_through_seq + 1:
            raise ReplayMismatch(
                f"the next event is {self.read_through_seq + 1}",
                field=f"seq {frame.first_seq}..{frame.last_seq}",
                fix="read the ledger in order, from its first frame",
            )
        is_input = not {"published", "mode", "latency"} & set(frame.tables)
        own = joined(self._take(frame)) if is_input else {}
        self.read_through_seq = frame.last_seq
        if "decision" not in own:
            return None
        answers = {name: own["decision"][name] for name in SHADOW_COLUMNS}
        return {"seq": frame.tables["decision"]["seq"]} | answers

    def _take(self, frame: Frame) -> list[Frame]:
        """Fold the recorded inputs; own publications are adopted where they become due."""
        engine, learner = self.engine, self.learner
        inputs, done = engine.inputs_of(frame), frame.tables.get("decision", {})
        made: list[Frame] = []
        position, answered = 0, 0
        left = frame.last_seq - frame.first_seq + 1
        while left:
            limit, stop = learner.labels_until_publication, engine.last_seq + 1 + left
            if position < len(inputs):
                folded = engine.fold(inputs, position, limit, stop, done.get("action"))
                position, own = folded.consumed, folded.frame
            else:  # what was due at an input that came in a later frame, or was lost
                own = engine.advance(frame.known_time_us, stop, limit)
            if own is None:
                break
            left -= own.last_seq - own.first_seq + 1
            answered = _with_propensity(own, done, answered)
            for publication in learner.fold(own):
                learner.fold(engine.adopt(publication))
            made.append(own)
        if left or position < len(inputs):
            raise ReplayMismatch(
                "what was accepted or resolved there is not what these settings make of it",
                field=f"seq {frame.first_seq}..{frame.last_seq}",
            )
        return made


def _of_inputs(settings: Settings) -> dict[str, Any]:
    """What decides which inputs are accepted and when labels are resolved."""
    listed = settings.features
    return {
        "features.entities": [entity.name for entity in listed.entities],
        "features.numeric": listed.numeric,
        "features.categorical": listed.categorical,
        "labels": settings.labels,
        "max_lateness_s": settings.max_lateness_s,
        "max_ahead_s": settings.max_ahead_s,
    }


def _with_propensity(own: Frame, done: Table, answered: int) -> int:
    """Labels are seen or not by what the champion did, so its propensities hold, where it logged any."""
    if "decision" not in own.tables:
        return answered
    until = answered + len(own.tables["decision"]["seq"])
    if "propensity" in done:
        own.tables["decision"]["propensity"] = np.array(done["propensity"][answered:until])
    return until
