"""Every state of the page, also those that a running service is in for seconds only; made by hand."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from msgspec import structs

from fraud_system.events import DAY_US
from monitoring.view import (
    DaySeen,
    DriftSeen,
    EntrySeen,
    ExpectedSeen,
    FindingSeen,
    Interval,
    LabelsSeen,
    MonitorView,
    RatesSeen,
    RatioSeen,
    SubjectSeen,
)
from serving.dashboard.page import Page
from serving.dashboard.ring import Ring
from serving.dashboard.shown import Asked, Now
from serving.reports import ReportState
from serving.state import KEYS_BROKEN
from serving.telemetry import Telemetry
from serving.wire import Contribution, Decision, Explanation, KnownLabel, ModelState, WorkerState

NOW_US = 20_200 * DAY_US + 43_200_000_000
HOUR_US = DAY_US // 24
LABEL_COUNTS = (
    *("fraud_joined", "late_fraud_joined", "reversal_joined", "duplicate"),
    *("reversal_without_fraud", "fraud_after_reversal", "parked", "joined_early", "matured"),
    *("matured_in_silence", "dead_letters", "expired", "superseded"),
)
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def ring() -> Ring:
    """Ten minutes of traffic that rises and falls."""
    made, telemetry = Ring(), Telemetry()
    for second in range(601):
        telemetry.decisions["model", "approve"] += 40 + int(20 * math.sin(second / 40))
        telemetry.decisions["model", "review"] += second % 3
        telemetry.decisions["heuristic", "decline"] += second % 7 == 0
        telemetry.expected_loss += 25 + 10 * math.sin(second / 25)
        telemetry.expected_loss_prevented += 14.0
        telemetry.labels["fraud_joined"] += second % 11 == 0
        telemetry.latency.add(0.003 + 0.002 * (second % 5 == 0) + 0.03 * (second % 97 == 0))
        telemetry.commits.add(0.002)
        made.take(telemetry, float(second))
    return made


def state(mode: str = "model", **changed: object) -> ModelState:
    made = ModelState(
        mode=mode,  # type: ignore[arg-type]
        kind="laplace",
        weights_version=241,
        weights_age_s=340.0,
        known_time=datetime.fromtimestamp(NOW_US / 1e6, UTC),
        last_seq=514_711,
        clock="wall",
        idempotency_horizon_s=7_776_000,
        settings="5634375b28158f9a",
        features=69,
        interactions=31,
        labels={name: 10 * place for place, name in enumerate(LABEL_COUNTS)},
        label_silence_s=4_000.0,
        learner_stale=False,
        workers={
            "learner": WorkerState(True, 0, 0.4, 12, {}, ""),
            "monitor": WorkerState(True, 1, 0.2, 0, {}, "killed by signal 9"),
            "snapshotter": WorkerState(True, 0, 1.4, 58_835, {}, ""),
        },
        memory_bytes=56_312_684,
    )
    for name, value in changed.items():
        made = ModelState(
            **{each: getattr(made, each) for each in made.__struct_fields__} | {name: value}
        )
    return made


def now(health: str = "model", **changed: object) -> Now:
    samples = ring()
    made = Now(
        health,  # type: ignore[arg-type]
        state("model" if health == "model" else "heuristic"),
        "",
        NOW_US,
        samples.over(60.0),
        samples.over(600.0),
        samples.steps(5.0, 120),
        at_s=600.0,
        weights_since_us=NOW_US - 340_000_000,
        minutes=samples.steps(60.0, 10, end_at_s=5.0),
        since_start=samples.since_start(),
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def subjects() -> list[SubjectSeen]:
    words = ["amount", "hour_cos", "count:card:1d", "model probability", "action"]
    made = [
        SubjectSeen(
            name,
            ("alarm", "warning", "ok", "ok", "ok")[place],  # type: ignore[arg-type]
            0.4 / (place + 1),
            0.3 / (place + 1),
            0.01,
            0.002,
            [abs(0.5 * math.sin(hour / 5 + place)) / (place + 1) for hour in range(28)],
        )
        for place, name in enumerate(words)
    ]
    made.append(SubjectSeen("served probability", "ok", None, None, 0.0, None, [None] * 28))
    return made + [
        SubjectSeen(f"feature_{place}", "ok", 0.01, 0.0, 0.0, 0.0, [0.01] * 28)
        for place in range(7)
    ]


def view(health: str = "model", **changed: object) -> MonitorView:
    days = [
        DaySeen(NOW_US // DAY_US * DAY_US - back * DAY_US, 30.0 + back % 7, 32.0)
        for back in range(9, -1, -1)
    ]
    calibration = [
        RatioSeen(
            subject,  # type: ignore[arg-type]
            days[0].day_us,
            days[-1].day_us,
            822.0,
            874.6,
            Interval(0.94, 0.80, 1.09),
            0.1,
            22_569.0,
            1e7,
            days,
            days[0].day_us,
        )
        for subject in ("count", "money")
    ]
    entries = [
        EntrySeen(
            NOW_US - HOUR_US, 9, "switch", health, f"the cause. {HOSTILE}", health == "forced"
        ),
        EntrySeen(
            NOW_US - 2 * HOUR_US, 8, "alarm", "sanity: scores all the same", "0 apart", False
        ),
        *(
            EntrySeen(NOW_US - hour * HOUR_US, 7, "ok", "calibration: count: more", "less", False)
            for hour in range(3, 9)
        ),
        EntrySeen(NOW_US - 20 * HOUR_US, 3, "warning", "shift: amount", "PSI 0.2", False),
    ]
    made: dict[str, object] = {
        "read_through_seq": 514_711,
        "known_time_us": NOW_US,
        "health": health,
        "since_us": NOW_US - HOUR_US,
        "waiting_for": "an alarm of a monitor that may switch",
        "causes": ["calibration/count: more"] if health == "heuristic" else [],
        "findings": [],
        "timeline": entries,
        "warm_up_s": 2_592_000,
        "calibration": calibration,
        "rates": RatesSeen(
            2_419_200, 84_622.0, 702.0, Interval(0.41, 0.34, 0.49), Interval(0.976, 0.975, 0.977),
            0.5, 0.0356, 0.0447, 0.0481,
        ),
        "expected": ExpectedSeen(86_400, 3_505.0, 53.6, 0.039, Interval(0.56, 0.29, 0.8), 0.969, 0.76),
        "drift": DriftSeen(
            [NOW_US - 6 * back * HOUR_US for back in range(27, -1, -1)], 1_270, 4_325, 0.1, 0.25,
            subjects(),
        ),
        "labels": LabelsSeen(
            [(0.1, 0.4), (0.5, 6.1), (0.9, 20.4), (0.99, 42.5)], days, 212.0, 1e7, 2_339.0, 822
        ),
    }  # fmt: skip
    return MonitorView(**made | changed)  # type: ignore[arg-type]


def after_alarm() -> list[RatioSeen]:
    """As it is when the detectors have just begun anew."""
    before = view().calibration[0].by_day
    return [
        RatioSeen(
            subject,  # type: ignore[arg-type]
            NOW_US, NOW_US, 0.0, 0.0, Interval(), 0.1, 0.0, 1e7, [],
            NOW_US - HOUR_US, True, before,
        )
        for subject in ("count", "money")
    ]  # fmt: skip


REPORTS = tuple(
    ReportState(
        str(number), "done", page=f"/reports/{number}/drift.html", figures=f"/reports/{number}/drift.json",
        made=datetime.fromtimestamp(NOW_US / 1e6, UTC), reference="2026-02-04 00:00 to 2026-03-04 00:00",
        current="2026-03-04 00:00 to 2026-03-11 00:00",
    )
    for number in range(8, 0, -1)
)  # fmt: skip
FINDINGS = [
    FindingSeen(
        "calibration", "count: more", "alarm", 6.9e7, 1e7, "41 reports, 13.7 predicted", NOW_US
    ),
    FindingSeen("feature_shift", "amount", "warning", 0.21, 0.1, f"moved {HOSTILE}", NOW_US),
]


def full_view() -> MonitorView:
    """As long as it gets: an incident in which all features shift, and a timeline that is full."""
    names = [f"feature_of_the_terminal:{place}:30d" for place in range(69)]
    words = "population stability index 0.97 beyond the 0.13 that chance explains, " * 3
    moments = [NOW_US - place * HOUR_US for place in range(40)]
    entries = [EntrySeen(NOW_US, 9, "switch", "heuristic", words, False)]
    for place, moment in enumerate(moments):
        monitor = ("feature_shift", "performance", "calibration")[place % 3]
        number = (5, 1, 2)[place % 3]
        for name in names[:number]:
            entries.append(EntrySeen(moment, 1, "alarm", f"{monitor}: {name}", words, False))
    shifts = [
        FindingSeen("feature_shift", name, level, 0.3 + place, 0.25, words, NOW_US)  # type: ignore[arg-type]
        for level, some in (("alarm", names[:40]), ("warning", names[40:]))
        for place, name in enumerate(some)
    ]
    others = [
        FindingSeen(f"monitor_{place}", "what it watches", "alarm", 3.0, 1.0, words, NOW_US)
        for place in range(20)
    ]
    cause = FindingSeen("score_shift", "model probability", "alarm", 2.7, 0.25, words, NOW_US, True)
    subjects = [
        SubjectSeen(
            name, "alarm", 0.97, 1.4, 0.1, 0.2,
            [abs(math.sin(hour + place)) for hour in range(28)],
        )
        for place, name in enumerate([*names, "model probability", "served probability", "action"])
    ]  # fmt: skip
    days = [DaySeen(NOW_US - back * DAY_US, 130.0, 132.4) for back in range(62)]
    made = view("heuristic", timeline=entries[:100], findings=[*shifts, *others, cause])
    return structs.replace(
        made,
        causes=["score_shift/model probability"],
        calibration=[structs.replace(each, by_day=days) for each in made.calibration],
        drift=structs.replace(made.drift, subjects=subjects),  # type: ignore[type-var]
        labels=structs.replace(made.labels, by_day=days),  # type: ignore[type-var]
    )


def full_now() -> Now:
    """Every step of the pictures has traffic of all kinds."""
    busy = [
        replace(each, approve=900 + each.approve, review=30, decline=20) for each in now().steps
    ]
    return now("heuristic", steps=busy)


def explanation() -> Explanation:
    moment = datetime.fromtimestamp(NOW_US / 1e6, UTC)
    return Explanation(
        Decision(
            "20260105-1-000123", 0.0312, 12.5, "review", ["amount against the card's mean", HOSTILE],
            "model", 241, 340.0, "champion", moment, 4_711,
        ),
        moment,
        400.0,
        {"card": "00ff00ff00ff00ff", "terminal": None},
        {"channel": None},
        {"distance": None},
        0.0312,
        0.02,
        0.008,
        [
            Contribution(
                "amount_to_mean:card:30d", "amount against the card's mean", 3.2, 2.16, "24.5 times"
            ),
            *(
                Contribution(f"is_new:{place}", f"reason {place}", 1.0, 0.1 - place / 100, "yes")
                for place in range(10)
            ),
            Contribution("hour_cos x amount", "time of day, together with amount", None, -0.2),
        ],
        [KnownLabel(True, "chargeback", "fraud_joined", moment, 5_000)],
        "fraud",
        -5.9,
        -0.045,
    )  # fmt: skip


def pages() -> dict[str, Callable[[], bytes]]:
    """Each state's HTML, by name."""
    page = Page({"amount": "amount", "hour_cos": "time of day (cosine)"})
    nothing = Ring()
    empty = now(minute=nothing.over(60.0), ten_minutes=nothing.over(600.0), steps=[])
    young = MonitorView(
        514_711, NOW_US, "model", 0, "an alarm of a monitor that may switch", [], [], [], 2_592_000,
        [], RatesSeen(0, 0.0, 0.0, Interval(), Interval(), None, None, None, None),
        ExpectedSeen(86_400, 0.0, 0.0, None, Interval(), None, None),
        DriftSeen([], 0, 0, 0.1, 0.25, subjects()),
        LabelsSeen([(0.5, 6.1)], [], 0.0, 1e7, 0.0),
    )  # fmt: skip
    gone = WorkerState(False, 4, None, 90_000, {}, "killed by signal 9")
    dead = state(learner_stale=True, workers={"learner": gone}, clock="traffic")
    admin = Asked(can_sign_out=True, needs_key=True)
    return {
        "model": lambda: page.whole(now(), view(), Asked()),
        "warnings": lambda: page.whole(now(), view(findings=FINDINGS), Asked()),
        "heuristic": lambda: page.whole(
            now("heuristic"), view("heuristic", findings=FINDINGS), admin
        ),
        "after-alarm": lambda: page.whole(
            now("heuristic"), view("heuristic", calibration=after_alarm()), admin
        ),
        "full": lambda: page.whole(full_now(), full_view(), replace(admin, reports=REPORTS)),
        "probation": lambda: page.whole(
            now("probation"),
            view("probation", waiting_for="the model to prove itself: 12 of 20 reports"),
            admin,
        ),
        "forced": lambda: page.whole(
            now("forced"), view("forced", waiting_for="somebody to release plan B"), admin
        ),
        "young": lambda: page.whole(empty, young, Asked()),
        "starting": lambda: page.whole(
            replace(empty, health="starting", state=None, trouble="It is starting."), None, Asked()
        ),
        "learner-dead": lambda: page.whole(now(state=dead), None, Asked()),
        "keys-broken": lambda: page.whole(now(notice=f"{KEYS_BROKEN}."), view(), Asked()),
        "looked-up": lambda: page.whole(
            now(), view(), Asked(sought="20260105-1-000123", found=explanation())
        ),
        "not-found": lambda: page.whole(
            now(), view(), Asked(problem="No such transaction.", at="lookup", sought=HOSTILE)
        ),
        "not-switched": lambda: page.whole(
            now(), view(),
            replace(
                admin, problem="The API key lacks the scope admin.", at="mode", mode="heuristic",
                reason="x",
            ),
        ),
        "signed-out": lambda: page.sign_in(Asked()),
        "not-signed-in": lambda: page.sign_in(
            Asked(problem="The API key is not known, or has expired.", at="sign-in")
        ),
        "error": lambda: page.error("Service Unavailable", "Too much waits already", "Try again"),
    }  # fmt: skip
