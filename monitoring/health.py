"""The switch: what a finding means for who answers. A small state machine with hysteresis.

    model ──alarm──> heuristic ──quiet──> probation ──passed──> model
                         ^────alarm, failed───┘

It reads the ledger's frames and the monitors' findings, and proposes; where the engine records a switch *is*
the switch (see `fraud_system.switching`). Which monitors may switch is a setting; all others only warn.

- An alarm of a switching monitor gives way to plan B at once. While it lasts, plan B stays.
- When all causes have been over for `quiet_s`, and plan B has answered for `hold_s`, the model goes on
  probation: it scores in the shadow, and has to pass on fresh reports (see `probation`).
- Whoever comes back to plan B soon (within `memory_s`) has to stay twice as long as the last time, up to a
  bound: so a cause that comes and goes does not make the switch flap.
- What a person forced, only a person releases.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.delay_law import DelayLaw
from fraud_system.errors import ConfigError
from fraud_system.events import SECOND_US, Frame, Health
from fraud_system.setting_checks import check_positive
from fraud_system.switching import Switch
from monitoring.findings import Finding, Level, in_words
from monitoring.probation import Probation, ProbationSettings, Verdict
from monitoring.switching_patterns import SWITCHING

MAX_CAUSES = 20


@dataclass(frozen=True)
class HealthSettings:
    """Args:
        switching: patterns of `monitor/subject` whose alarms give way to plan B; `*` stands for anything.
        quiet_s: how long all causes must be over before a probation.
        hold_s: how long plan B answers at least.
        longest_hold_s: to which that is doubled.
        memory_s: a return within so long after the last one counts as flapping.
        again_s: a proposal that was not recorded is made again after so long.
        probation: see there.

    Raises:
        ConfigError: a number is not positive, or the longest hold is shorter than the first.
    """

    switching: tuple[str, ...] = SWITCHING
    quiet_s: float = 6 * 3_600.0
    hold_s: float = 6 * 3_600.0
    longest_hold_s: float = 7 * 86_400.0
    memory_s: float = 14 * 86_400.0
    again_s: float = 600.0
    probation: ProbationSettings = field(default_factory=ProbationSettings)

    def __post_init__(self) -> None:
        numbers = {k: v for k, v in asdict(self).items() if k not in ("switching", "probation")}
        check_positive("health", **numbers)
        if self.longest_hold_s < self.hold_s:
            raise ConfigError("must not be shorter than hold_s", field="health.longest_hold_s")


@dataclass(frozen=True)
class Proposal:
    """A switch, for the engine to record.

    Args:
        from_health: the state that it is about; in any other it is void.
        switch: what should be.
    """

    from_health: Health
    switch: Switch


class HealthSwitch:
    """The fold over frames and findings.

    Args:
        settings: see there.

    >>> from fraud_system.labels import LabelSettings
    >>> switch = HealthSwitch(HealthSettings())
    >>> finding = Finding("sanity", "scores all the same", Level.ALARM, 0.0, 1e-9, 7, 0, "0 apart")
    >>> (proposal,) = switch.judge([finding], DelayLaw(LabelSettings()), now_us=0)
    >>> proposal.switch.health.name, proposal.switch.reason
    ('HEURISTIC', 'alarm of sanity (scores all the same)')
    """

    def __init__(self, settings: HealthSettings) -> None:
        self.settings = settings
        self.health = Health.MODEL
        self.since_us = 0
        self.causes: dict[str, Finding] = {}
        self.probation = Probation(settings.probation)
        self._over_us = 0
        self._hold_s = settings.hold_s
        self._left_model_us: int | None = None
        self._proposed: tuple[Health, int] | None = None

    def fold(
        self, frame: Frame, findings: Iterable[Finding], law: DelayLaw, now_us: int
    ) -> list[Proposal]:
        """Take the next frame and what the monitors found in it; `now_us` is its last known time."""
        if "mode" in frame.tables:
            self._switched(Switch.from_table(frame.tables["mode"]), now_us)
        if self.health == Health.PROBATION:
            self.probation.fold(frame)
        return self.judge(findings, law, now_us)

    def judge(self, findings: Iterable[Finding], law: DelayLaw, now_us: int) -> list[Proposal]:
        """What should be proposed now; at most one thing."""
        for finding in findings:
            self._note(finding)
        switch = self._wanted(law, now_us)
        if switch is None or switch.health == self.health:
            return []
        if self._proposed is not None:
            health, proposed_us = self._proposed
            if health == switch.health and now_us - proposed_us < self.settings.again_s * SECOND_US:
                return []
        self._proposed = switch.health, now_us
        return [Proposal(self.health, switch)]

    def may_switch(self, finding: Finding) -> bool:
        """Whether an alarm of it gives way to plan B."""
        return self._may_switch(f"{finding.monitor}/{finding.subject}")

    def waiting_for(self, law: DelayLaw, now_us: int) -> str:
        """What has to happen before the state changes by itself, in words."""
        if self.health == Health.MODEL:
            return "an alarm of a monitor that may switch"
        if self.health == Health.FORCED:
            return "somebody to release plan B"
        if self.health == Health.PROBATION:
            return f"the model to prove itself: {self.probation.verdict(law, now_us)[1]}"
        if self.causes:
            return f"the alarm to be over: {', '.join(_named(self._in_order()))}"
        left_s = max(self._quiet_until_us() - now_us, 0) / SECOND_US
        return f"{left_s / 3600.0:.1f} quiet hours, then a probation"

    def _wanted(self, law: DelayLaw, now_us: int) -> Switch | None:
        if self.health in (Health.MODEL, Health.PROBATION) and self.causes:
            return self._alarm()
        quiet = not self.causes and now_us >= self._quiet_until_us()
        if self.health == Health.HEURISTIC and quiet:
            reason = "all causes are over; the model scores in the shadow"
            return Switch(Health.PROBATION, reason)
        if self.health == Health.PROBATION:
            verdict, words = self.probation.verdict(law, now_us)
            if verdict == Verdict.PASSED:
                return Switch(Health.MODEL, "the model passed its probation", evidence=words)
            if verdict == Verdict.FAILED:
                reason = "the model failed its probation: plan B explains the reports better"
                return Switch(Health.HEURISTIC, reason, evidence=words)
        return None

    def _alarm(self) -> Switch:
        """The first cause is the reason, so its evidence need not name it again; the others are named."""
        first, *others = self._in_order()
        (name,) = _named([first])
        told = [f"{also}: {each.words}" for also, each in zip(_named(others), others, strict=True)]
        evidence = "; also ".join([f"{first.words[:1].upper()}{first.words[1:]}", *told])
        return Switch(Health.HEURISTIC, f"alarm of {name}", evidence=evidence)

    def _in_order(self) -> list[Finding]:
        """The causes, earliest first."""
        return sorted(self.causes.values(), key=lambda each: (each.seq, each.monitor, each.subject))

    def _note(self, finding: Finding) -> None:
        name = f"{finding.monitor}/{finding.subject}"
        if not self.may_switch(finding):
            return
        if finding.level == Level.ALARM:
            if len(self.causes) < MAX_CAUSES or name in self.causes:
                self.causes[name] = finding
        elif self.causes.pop(name, None) is not None:
            # Not the frame's time, which depends on how frames were cut.
            self._over_us = max(self._over_us, finding.known_time_us)

    def _may_switch(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.settings.switching)

    def _quiet_until_us(self) -> int:
        quiet_us = self._over_us + int(self.settings.quiet_s * SECOND_US)
        return max(quiet_us, self.since_us + int(self._hold_s * SECOND_US))

    def _switched(self, switch: Switch, now_us: int) -> None:
        """A switch was recorded, whoever asked for it."""
        settings, before = self.settings, self.health
        self.health, self.since_us, self._proposed = switch.health, now_us, None
        if switch.health == Health.PROBATION:
            self.probation.begin(now_us)
        elif switch.health == Health.HEURISTIC:
            last_us, self._left_model_us = self._left_model_us, now_us
            flapping = last_us is not None and now_us - last_us < settings.memory_s * SECOND_US
            if before == Health.PROBATION or flapping:
                self._hold_s = min(2.0 * self._hold_s, settings.longest_hold_s)
            else:
                self._hold_s = settings.hold_s
        elif switch.by_hand and switch.health == Health.MODEL:
            # Whoever releases plan B knows of the causes there are; only new ones switch again.
            self.causes.clear()

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        described = {
            "health": int(self.health),
            "since_us": self.since_us,
            "over_us": self._over_us,
            "hold_s": self._hold_s,
            "left_model_us": self._left_model_us,
            "proposed": None
            if self._proposed is None
            else [int(self._proposed[0]), self._proposed[1]],
            "causes": {name: asdict(each) for name, each in sorted(self.causes.items())},
        }
        text = json.dumps(described, sort_keys=True).encode()
        arrays: dict[str, NDArray[Any]] = {"switch": np.frombuffer(text, np.uint8)}
        return arrays | {f"probation.{n}": a for n, a in self.probation.to_arrays().items()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        given = json.loads(arrays["switch"].tobytes())
        self.health, self.since_us = Health(given["health"]), given["since_us"]
        self._over_us, self._hold_s = given["over_us"], given["hold_s"]
        self._left_model_us, proposed = given["left_model_us"], given["proposed"]
        self._proposed = None if proposed is None else (Health(proposed[0]), proposed[1])
        self.causes = {
            name: replace(Finding(**each), level=Level(each["level"]))
            for name, each in given["causes"].items()
            if self._may_switch(name)  # by the settings of now
        }
        cut = len("probation.")
        self.probation.restore(
            {n[cut:]: a for n, a in arrays.items() if n.startswith("probation.")}
        )


def _named(causes: Iterable[Finding]) -> list[str]:
    return [in_words(each.monitor, each.subject) for each in causes]
