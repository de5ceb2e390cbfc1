"""One drill, from a plant that has run well so far."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.drill.account import Account
from benchmarks.drill.faults import Drill
from benchmarks.drill.outcome import Outcome, outcome_of
from benchmarks.drill.payments import Payments, Window
from benchmarks.drill.plant import BATCH_EVENTS, Plant, State
from fraud_system.events import DAY_US
from fraud_system.guards import GuardSettings
from fraud_system.publication import Publication
from fraud_system.settings import Settings
from fraud_system.simulate import SCENARIOS, TrafficSettings, simulate
from monitoring.health import HealthSettings
from monitoring.settings import MonitorSettings
from pipelines.system_settings import SCHEMAS, read_schema, settings_of

# The default lets 1,000 reports of one source through in a day, and here 25 come.
GUARDS = GuardSettings(least_reports=100, max_reported_share=0.005)


@dataclass(frozen=True)
class Exercise:
    """What all drills share.

    Args:
        settings: of engine and learner.
        monitors, health: of the overseer.
        simulated: the scenario, without a drift.
        seed: of the simulator.
        broken_day: when drills begin.
    """

    settings: Settings
    monitors: MonitorSettings
    health: HealthSettings
    simulated: TrafficSettings
    seed: int
    broken_day: int

    @property
    def broken_us(self) -> int:
        """When drills begin, known time."""
        return self.simulated.start_us + self.broken_day * DAY_US

    def payments(self) -> Payments:
        """The stream, unbroken."""
        return Payments.of(simulate(self.simulated, self.seed))

    def before(self, payments: Payments, tell: Callable[[int], object] = int) -> State:
        """A plant that has run well until the drills begin; `tell` is told of events as they are done."""
        plant = Plant(self.settings, self.monitors, self.health)
        for batch in payments.arrivals(0, self.broken_us).batches(BATCH_EVENTS):
            plant.feed(batch)
            tell(len(batch))
        return plant.state()

    def run(
        self, drill: Drill, payments: Payments, state: State, tell: Callable[[int], object] = int
    ) -> tuple[Outcome, Plant]:
        """Break it, and see what comes of it."""
        end_us = self.simulated.start_us + self.simulated.days * DAY_US
        until_us = end_us if math.isinf(drill.days) else self.broken_us + round(drill.days * DAY_US)
        window = Window(self.broken_us, until_us, self.simulated, self.seed)
        broken = payments if drill.stream is None else drill.stream(payments, window)
        account, saboteur = Account(), Saboteur(drill, window)
        plant = Plant(self.settings, self.monitors, self.health, account, saboteur.harm, state)
        for batch in broken.arrivals(self.broken_us, end_us).batches(BATCH_EVENTS):
            plant.feed(batch)
            tell(len(batch))
        seen = replace(window, start_us=saboteur.first_us, end_us=saboteur.last_us or until_us)
        costs = self.settings.costs
        return outcome_of(drill, account, broken, seen, costs, plant.refused), plant


class Saboteur:
    """Harms publications while the window is open.

    Args:
        drill: how.
        window: when.
    """

    def __init__(self, drill: Drill, window: Window) -> None:
        self.drill, self.window = drill, window
        self.first_us = window.start_us
        self.last_us: int | None = None
        self._harmed = 0

    def harm(self, publication: Publication, now_us: int) -> Publication:
        """What the engine is given."""
        weights, window = self.drill.weights, self.window
        if weights is None or now_us < window.start_us:
            return publication
        done = self._harmed > 0 if self.drill.only_one else now_us >= window.end_us
        if done:
            self.last_us = now_us if self.last_us is None else self.last_us
            return publication
        self.first_us = now_us if self._harmed == 0 else self.first_us
        self._harmed += 1
        return weights(publication)


def standard(days: int = 78, broken_day: int = 45, seed: int = 1) -> Exercise:
    """The drills of `make drill`: the demo's stream, and the settings that the scorer has."""

    return Exercise(
        settings=replace(settings_of(read_schema(SCHEMAS / "simulated.toml")), guards=GUARDS),
        monitors=MonitorSettings(),
        health=HealthSettings(),
        simulated=replace(SCENARIOS["demo"], days=days, drift_at_share=1.0),
        seed=seed,
        broken_day=broken_day,
    )
