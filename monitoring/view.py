"""What the monitors see, as a page or an alert shows it: plain types.

The process that watches makes them of the overseer's state (`view_of_overseer`) and sends them to the scorer,
which keeps the newest and computes nothing. What is not a number is None, because JSON knows no other.
"""

from typing import Literal

import msgspec

LevelName = Literal["ok", "warning", "alarm"]


class FindingSeen(msgspec.Struct, frozen=True):
    """Something that is not well now; an alarm of it may switch to plan B, or only says so."""

    monitor: str
    subject: str
    level: LevelName
    statistic: float | None
    threshold: float | None
    words: str
    known_time_us: int
    may_switch: bool = False


class EntrySeen(msgspec.Struct, frozen=True):
    """Something that happened (see `timeline.Entry`)."""

    known_time_us: int
    seq: int
    kind: Literal["switch", "ok", "warning", "alarm"]
    subject: str
    words: str
    by_hand: bool


class Interval(msgspec.Struct, frozen=True):
    """A figure with its interval; None where there is nothing to divide by."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class DaySeen(msgspec.Struct, frozen=True):
    """What came of one day, and what was expected of it by now."""

    day_us: int
    came: float
    expected: float


class RatioSeen(msgspec.Struct, frozen=True):
    """Reports of the cohorts that the calibration holds apart, against what the model predicted by now.

    Args:
        subject: each report counts as one, or by its amount as a share of the cut-off.
        from_us, to_us: of those cohorts; equal where there is none yet.
        came, expected: marks.
        ratio: came / expected, with a 95 % interval of a Poisson count, wider by the dispersion of
            clustered frauds. Money marks are at most 1, which makes its interval too wide, never too narrow.
        tolerance: how far from 1 is right enough.
        evidence: of the stronger side, in transactions; an alarm begins at `threshold`.
        by_day: of the transactions' days, oldest first.
        begun_us: since when is judged; later than that of the warm-up after an alarm, because reports
            about older transactions do not count any more then. None while it warms up.
        is_anew: there was an alarm.
        before: days before `begun_us`, with what was known of them when an alarm began it anew.
    """

    subject: Literal["count", "money"]
    from_us: int
    to_us: int
    came: float
    expected: float
    ratio: Interval
    tolerance: float
    evidence: float | None
    threshold: float
    by_day: list[DaySeen]
    begun_us: int | None = None
    is_anew: bool = False
    before: list[DaySeen] = []


class RatesSeen(msgspec.Struct, frozen=True):
    """Of the transactions that matured in the last `window_s`; log losses are nats per transaction."""

    window_s: int
    transactions: float
    frauds: float
    recall: Interval
    specificity: Interval
    value_detection_rate: float | None
    loss_model: float | None
    loss_heuristic: float | None
    loss_constant: float | None


class ExpectedSeen(msgspec.Struct, frozen=True):
    """Of the transactions of the last `window_s`, from the probabilities alone.

    The interval of the recall is where it would be found on so many frauds if the probabilities are true.
    """

    window_s: int
    transactions: float
    frauds: float
    share_flagged: float | None
    recall: Interval
    specificity: float | None
    value_detection_rate: float | None


class SubjectSeen(msgspec.Struct, frozen=True):
    """One column of the traffic (see `shift_history.Drift`)."""

    name: str
    level: LevelName
    psi: float | None
    distance: float | None
    missing: float | None
    missing_before: float | None
    history: list[float | None]


class DriftSeen(msgspec.Struct, frozen=True):
    """Args:
    hours_us: ends of the hours that `history` is of, oldest first; empty while bins are learned.
    rows, past_rows: of the newest comparison.
    psi_warning, psi_alarm: the thresholds.
    subjects: what moved most first.
    """

    hours_us: list[int]
    rows: int
    past_rows: int
    psi_warning: float
    psi_alarm: float
    subjects: list[SubjectSeen]


class LabelsSeen(msgspec.Struct, frozen=True):
    """Args:
    delay_days: (chance, days) that a report takes at most.
    by_day: label messages that came on a day, and those that should have.
    evidence: of the stronger side, in transactions; an alarm begins at `threshold`.
    delay_evidence: that delays are others than they were, in transactions.
    delay_reports: that the delays were learned from; 0 where they are assumed.
    """

    delay_days: list[tuple[float, float]]
    by_day: list[DaySeen]
    evidence: float | None
    threshold: float
    delay_evidence: float | None
    delay_reports: int = 0


class MonitorView(msgspec.Struct, frozen=True):
    """Args:
    read_through_seq: the last event that was read.
    known_time_us: of the last input that was read.
    health: of the switch.
    since_us: known time since which.
    waiting_for: what has to happen before it changes by itself.
    causes: findings that keep plan B answering.
    findings: all that is not well now, worst first.
    timeline: what happened, newest first.
    warm_up_s: after the first event, how long reports are not judged.
    reports_from_us: from when reports are judged; None before the first event.
    traffic_from_us: from when traffic is compared with earlier weeks, at the earliest; None likewise.
    calibration, rates, expected, drift, labels: figures; None from one who does not tell.
    """

    read_through_seq: int
    known_time_us: int
    health: Literal["model", "heuristic", "probation", "forced"]
    since_us: int
    waiting_for: str
    causes: list[str]
    findings: list[FindingSeen]
    timeline: list[EntrySeen]
    warm_up_s: int = 0
    calibration: list[RatioSeen] = []
    rates: RatesSeen | None = None
    expected: ExpectedSeen | None = None
    drift: DriftSeen | None = None
    labels: LabelsSeen | None = None
    reports_from_us: int | None = None
    traffic_from_us: int | None = None
