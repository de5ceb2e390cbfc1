"""What the templates are given: the scorer's state and the monitors' view, put into the order of the page."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from fraud_system.events import SECOND_US
from monitoring.findings import subject_in_words
from monitoring.view import EntrySeen, MonitorView
from serving.dashboard.ring import Figures, Ring
from serving.reports import ReportState
from serving.state import KEYS_BROKEN, model_state
from serving.wire import Explanation, ModelState

if TYPE_CHECKING:
    from serving.service import Service

HealthName = Literal["starting", "unknown", "model", "heuristic", "probation", "forced"]
STEP_S, STEPS = 5.0, 120
TITLES = {
    "starting": "Starting",
    "unknown": "Answering",
    "model": "The model answers",
    "heuristic": "Plan B answers",
    "probation": "Probation: plan B answers, the model scores in the shadow",
    "forced": "Plan B answers: somebody forced it",
}


@dataclass(frozen=True)
class Now:
    """What changes from second to second.

    Args:
        health: who answers; `unknown` while the engine answers and the monitors have not said why.
        state: of the scorer; None while it starts, or the ledger fails.
        trouble: why nothing is answered, in words; empty where transactions are answered.
        now_us: the known time.
        minute, ten_minutes: figures of traffic.
        steps: the same by five seconds, oldest first.
        minutes: the same stretch by minutes, oldest first.
        since_start: of this process.
        snapshot_behind: events since the engine's newest snapshot; None before the first.
        notice: what an operator has to mend although transactions are answered; mostly empty.
    """

    health: HealthName
    state: ModelState | None
    trouble: str
    now_us: int
    minute: Figures
    ten_minutes: Figures
    steps: list[Figures]
    snapshot_behind: int | None = None
    notice: str = ""
    minutes: list[Figures] = field(default_factory=list)
    since_start: Figures | None = None

    @property
    def plan_b(self) -> bool:
        """Whether plan B answers."""
        if self.state is not None:
            return self.state.mode == "heuristic"
        return self.health in ("heuristic", "probation", "forced")

    @property
    def page_title(self) -> str:
        """Of the browser's window."""
        return "Plan B \N{MIDDLE DOT} Fraud scorer" if self.plan_b else "Fraud scorer"

    @property
    def title(self) -> str:
        """Who answers, in words."""
        return TITLES[self.health]


@dataclass(frozen=True)
class Words:
    """The columns in words, by name; others keep their names."""

    words: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> str:
        """Of a subject such as `amount`, or `count: more`.

        >>> Words({"is_new:card": "first time this card is seen"}).of("is_new:card")
        'first time this card is seen'
        >>> Words().of("count: more")
        'count, more than expected'
        """
        return self.words.get(name, subject_in_words(name))


@dataclass(frozen=True)
class Asked:
    """What a request adds to the page.

    Args:
        can_sign_out: there is a session.
        needs_key: admin actions need a key.
        problem: what went wrong with the request, in words,
        at: and which form it came from.
        sought: the transaction that was looked up.
        found: what is on record about it.
        mode, reason: as sent, to be mended.
        reports: drift reports, the newest first.
    """

    can_sign_out: bool = False
    needs_key: bool = False
    problem: str = ""
    at: Literal["", "lookup", "mode", "report", "sign-in"] = ""
    sought: str = ""
    found: Explanation | None = None
    mode: str = ""
    reason: str = ""
    reports: tuple[ReportState, ...] = ()


def now_of(service: "Service", ring: Ring) -> Now:
    """The state of the scorer."""
    minute, ten_minutes = ring.over(60.0), ring.over(600.0)
    steps = ring.steps(STEP_S, STEPS)
    minutes = ring.steps(60.0, 10, end_at_s=STEP_S)
    if not service.started:
        trouble = "It is starting: the ledger is read and code is loaded. Transactions are refused."
        now_us = service.clock.now_us()
        return Now("starting", None, trouble, now_us, minute, ten_minutes, steps, minutes=minutes)
    trouble = ""
    if not service.ready:
        trouble = "The ledger cannot be written. Transactions are refused until it can."
    state = model_state(service)
    health = service.task.engine.health.name.lower()
    snapshot_seq = next(
        (s.snapshot_seq for n, s in service.workers().items() if n == "snapshotter"), None
    )
    return Now(
        health,  # type: ignore[arg-type]
        state,
        trouble,
        max(service.clock.now_us(), int(state.known_time.timestamp() * SECOND_US)),
        minute,
        ten_minutes,
        steps,
        None if snapshot_seq is None else max(0, state.last_seq - snapshot_seq),
        f"{KEYS_BROKEN[0].upper()}{KEYS_BROKEN[1:]}." if state.api_keys_broken else "",
        minutes,
        ring.since_start(),
    )


def since_of(now: Now, view: MonitorView | None) -> int | None:
    """Known time since which the state is as it is; None where the monitors have not seen it yet."""
    if view is None or view.health != now.health or not view.since_us:
        return None
    return view.since_us


def why_of(now: Now, view: MonitorView | None) -> EntrySeen | None:
    """The switch that made it so, if the monitors have seen it."""
    if view is None or view.health != now.health:
        return None
    return next((each for each in view.timeline if each.kind == "switch"), None)
