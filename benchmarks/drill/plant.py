"""Engine, learner and overseer on one ledger, wired as the service wires them, without clock or processes.

    micro-batch -> [ engine ] -> frame -> ledger -> [ learner ] -> publication -> (harm) -> [ engine ]
                                             `----> [ overseer ] -> proposal -> [ engine ]

A proposal is recorded before the next micro-batch, and is void if the state has changed meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fraud_system.engine import Engine
from fraud_system.events import Arrivals, Frame
from fraud_system.learner import Learner
from fraud_system.ledger import Ledger, MemoryLedger
from fraud_system.publication import Publication
from fraud_system.settings import Settings
from monitoring.health import HealthSettings, Proposal
from monitoring.overseer import Overseer
from monitoring.settings import MonitorSettings

BATCH_EVENTS = 200
SABOTAGE = Callable[[Publication, int], Publication]


def unharmed(publication: Publication, now_us: int) -> Publication:
    """As the learner made it."""
    return publication


@dataclass(frozen=True)
class State:
    """Of a plant, to begin others from."""

    frames: list[Frame]
    engine: dict[str, Any]
    learner: dict[str, Any]
    overseer: dict[str, Any]


class Plant:
    """The running system.

    Args:
        settings: of engine and learner.
        monitors, health: of the overseer.
        observe: is shown every frame, once it is recorded.
        harm: what becomes of publications on their way to the engine.
        state: of another plant with the same settings, to go on from.
    """

    def __init__(
        self,
        settings: Settings,
        monitors: MonitorSettings,
        health: HealthSettings,
        observe: Callable[[Frame, "Plant"], None] = lambda frame, plant: None,
        harm: SABOTAGE = unharmed,
        state: State | None = None,
    ) -> None:
        self.settings = settings
        self.ledger: Ledger = MemoryLedger()
        self.refused = 0
        self._observe, self._harm = observe, harm
        self._proposed: list[Proposal] = []
        if state is None:
            self.engine, self.learner = Engine(settings), Learner(settings)
            self.overseer = Overseer(monitors, health, settings)
            self._take(self.engine.adopt(self.learner.first_publication()))
        else:
            self.ledger.append(state.frames)
            self.engine = Engine.from_arrays(settings, state.engine)
            self.learner = Learner.from_arrays(settings, state.learner)
            self.overseer = Overseer.from_arrays(monitors, health, settings, state.overseer)

    def state(self) -> State:
        """To begin others from."""
        parts = (self.engine, self.learner, self.overseer)
        return State(list(self.ledger.frames()), *(part.to_arrays() for part in parts))

    def feed(self, arrivals: Arrivals) -> None:
        """Take one micro-batch; what was proposed in the one before is recorded first."""
        for proposal in self._proposed:
            if proposal.from_health == self.engine.health:
                self._take(self.engine.switch(proposal.switch))
        self._proposed = []
        position = 0
        while True:
            limit = self.learner.labels_until_publication
            folded = self.engine.fold(arrivals, position, limit)
            self.refused += int(np.count_nonzero(folded.status))
            due = [] if folded.frame is None else self._take(folded.frame)
            for publication in due:
                harmed = self._harm(publication, self.engine.known_time_us)
                self._take(self.engine.adopt(harmed))
            position = folded.consumed
            if position == len(arrivals):
                return

    def _take(self, frame: Frame) -> list[Publication]:
        self.ledger.append([frame], self.engine.oldest_open_seq)
        due = self.learner.fold(frame)
        self._proposed += self.overseer.fold(frame)
        self._observe(frame, self)
        return due
