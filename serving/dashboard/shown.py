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
BEHIND_EVENTS = 40_000  # two rounds of the monitors
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
        at_s: seconds of a clock that never goes back, from which ages are told.
        weights_since_us: known time at which the weights in force were adopted.
        minutes: the same stretch by minutes, oldest first.
        since_start: of this process.
        notice: what an operator has to mend although transactions are answered; mostly empty.
    """

    health: HealthName
    state: ModelState | None
    trouble: str
    now_us: int
    minute: Figures
    ten_minutes: Figures
    steps: list[Figures]
    at_s: float = 0.0
    weights_since_us: int = 0
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
        """Of a subject such as `amount`, `amount: missing` or `count: more`.

        >>> words = Words({"is_new:card": "first time this card is seen"})
        >>> words.of("is_new:card"), words.of("is_new:card: missing")
        ('first time this card is seen', 'first time this card is seen: missing')
        >>> words.of("count: more")
        'count, more than expected'
        """
        column, colon, rest = name.partition(": ")
        if column in self.words:
            return f"{self.words[column]}{colon}{rest}"
        return subject_in_words(name)

    def of_entry(self, subject: str) -> str:
        """Of what an entry of the timeline, or a cause of plan B, is about.

        >>> words = Words({"hour_cos": "time of day"})
        >>> words.of_entry("feature_shift: hour_cos"), words.of_entry("score_shift/action")
        ('feature shift: time of day', 'score shift: action')
        """
        monitor, _, rest = subject.replace("/", ": ", 1).partition(": ")
        said = monitor.replace("_", " ")
        return f"{said}: {self.of(rest)}" if rest else said


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


def now_of(service: "Service", ring: Ring, at_s: float) -> Now:
    """The state of the scorer; `at_s`: see `Now`."""
    minute, ten_minutes = ring.over(60.0), ring.over(600.0)
    steps = ring.steps(STEP_S, STEPS)
    minutes = ring.steps(60.0, 10, end_at_s=STEP_S)
    if not service.started:
        trouble = "It is starting: the ledger is read and code is loaded. Transactions are refused."
        now_us = service.clock.now_us()
        return Now(
            "starting", None, trouble, now_us, minute, ten_minutes, steps, at_s, minutes=minutes
        )
    trouble = ""
    if not service.ready:
        trouble = "The ledger cannot be written. Transactions are refused until it can."
    state = model_state(service)
    health = service.task.engine.health.name.lower()
    return Now(
        health,  # type: ignore[arg-type]
        state,
        trouble,
        max(service.clock.now_us(), int(state.known_time.timestamp() * SECOND_US)),
        minute,
        ten_minutes,
        steps,
        at_s,
        service.task.in_force.adopted_us,
        f"{KEYS_BROKEN[0].upper()}{KEYS_BROKEN[1:]}." if state.api_keys_broken else "",
        minutes,
        ring.since_start(),
    )


def is_behind(now: Now, view: MonitorView) -> bool:
    """Whether the monitors are still reading what has happened: what they say is of the past."""
    return now.state is not None and now.state.last_seq - view.read_through_seq > BEHIND_EVENTS


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
