"""The switch under anything that may happen: it never flaps, and obeys a person."""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from watched import finding, nothing, resolved, scored, switched

from fraud_system.delay_law import DelayLaw
from fraud_system.events import SECOND_US, Health
from fraud_system.labels import LabelSettings
from monitoring.findings import Level
from monitoring.health import HealthSettings, HealthSwitch, Proposal
from monitoring.probation import ProbationSettings

LAW = DelayLaw(LabelSettings(maturity_s=86_400, horizon_s=3 * 86_400))
SETTINGS = HealthSettings(
    quiet_s=3_600.0,
    hold_s=4 * 3_600.0,
    longest_hold_s=16 * 3_600.0,
    memory_s=3 * 86_400.0,
    probation=ProbationSettings(least_s=3_600.0, least_transactions=1, least_reports=1.0),
)
CAUSES = ("sanity/scores all the same", "calibration/count: more", "feature_shift/amount")
NEXT = {
    Health.MODEL: {Health.HEURISTIC},
    Health.HEURISTIC: {Health.PROBATION},
    Health.PROBATION: {Health.MODEL, Health.HEURISTIC},
    Health.FORCED: set[Health](),
}


class Machine(RuleBasedStateMachine):
    """Findings, traffic, lost proposals, snapshots and people, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.switch = HealthSwitch(SETTINGS)
        self.now_us = 0
        self.seq = 0
        self.pending: list[Proposal] = []
        self.health = Health.MODEL
        self.entered_us: list[int] = []  # plan B, by itself, from the model
        self.since_us = 0
        self.last_proposed: tuple[Health, int] | None = None

    def _take(self, proposals: list[Proposal]) -> None:
        assert len(proposals) <= 1
        for each in proposals:
            assert each.from_health == self.health
            assert each.switch.health in NEXT[self.health]
            assert not each.switch.by_hand
            if self.last_proposed is not None and self.last_proposed[0] == each.switch.health:
                assert self.now_us - self.last_proposed[1] >= SETTINGS.again_s * SECOND_US
            self.last_proposed = each.switch.health, self.now_us
            self.pending = [each]

    @rule(minutes=st.integers(1, 600))
    def time_passes(self, minutes: int) -> None:
        self.now_us += minutes * 60 * SECOND_US
        self._take(self.switch.fold(nothing(self.now_us), [], LAW, self.now_us))

    @rule(name=st.sampled_from(CAUSES), level=st.sampled_from(Level))
    def something_is_found(self, name: str, level: Level) -> None:
        self.seq += 1
        found = finding(name, level, self.now_us, self.seq)
        self._take(self.switch.fold(nothing(self.now_us), [found], LAW, self.now_us))

    @rule(model=st.sampled_from([0.001, 0.5, float("nan")]), reports=st.integers(0, 20))
    def traffic(self, model: float, reports: int) -> None:
        seqs = list(range(self.seq + 1, self.seq + 21))
        self.seq += 20
        frame = scored(seqs, [self.now_us] * 20, [model] * 20, [0.05] * 20)
        self._take(self.switch.fold(frame, [], LAW, self.now_us))
        if reports:
            frame = resolved(seqs[:reports], self.now_us)
            self._take(self.switch.fold(frame, [], LAW, self.now_us))

    @precondition(lambda self: self.pending)
    @rule()
    def recorded(self) -> None:
        (proposal,) = self.pending
        self.pending = []
        if proposal.from_health == self.health:
            self._switched(proposal.switch.health, by_hand=False)

    @precondition(lambda self: self.pending)
    @rule()
    def lost(self) -> None:
        self.pending = []

    @rule(health=st.sampled_from([Health.FORCED, Health.MODEL]))
    def a_person(self, health: Health) -> None:
        self._switched(health, by_hand=True)

    @rule()
    def restarted(self) -> None:
        again = HealthSwitch(SETTINGS)
        again.restore(self.switch.to_arrays())
        self.switch = again

    def _switched(self, health: Health, by_hand: bool) -> None:
        if not by_hand:
            assert self.health != Health.FORCED
            if health == Health.PROBATION:
                held_s = (self.now_us - self.since_us) / SECOND_US
                assert held_s >= SETTINGS.hold_s
            if self.health == Health.MODEL:
                self.entered_us.append(self.now_us)
        else:
            self.entered_us.clear()
        self.health, self.since_us, self.last_proposed = health, self.now_us, None
        frame = switched(health, self.now_us, by_hand)
        self._take(self.switch.fold(frame, [], LAW, self.now_us))

    @invariant()
    def it_follows_the_record(self) -> None:
        assert self.switch.health == self.health
        assert (self.switch.waiting_for(LAW, self.now_us) == "somebody to release plan B") == (
            self.health == Health.FORCED
        )

    @invariant()
    def it_does_not_flap(self) -> None:
        least_us = (SETTINGS.hold_s + SETTINGS.probation.least_s) * SECOND_US
        pairs = zip(self.entered_us, self.entered_us[1:], strict=False)
        assert all(later - earlier >= least_us for earlier, later in pairs)


Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=60, deadline=None)
TestSwitch = Machine.TestCase
