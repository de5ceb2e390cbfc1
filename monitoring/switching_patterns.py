"""Which monitors may switch to plan B; all others only warn.

A pattern names findings as `monitor/subject`; `*` stands for anything. The defaults are what says that the
model's own scores cannot be trusted any more: not that traffic has changed, or that labels are missing, for
plan B would be no better then (`docs/drills.md` has the measurements).
"""

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase

from fraud_system.errors import ConfigError

_SERVED = ("model probability", "served probability", "action")
# What findings are about, by monitor; those of features have the names of the features.
SUBJECTS: dict[str, tuple[str, ...]] = {
    "sanity": (
        "scores that are no numbers",
        "scores all the same",
        "size of weights",
        "direction of weights",
        "age of weights",
        "publications overdue",
        "latency",
    ),
    "feature_shift": (),
    "score_shift": (*_SERVED, *(f"{each}: missing" for each in _SERVED)),
    "calibration": ("count: more", "count: fewer", "money: more", "money: fewer"),
    "fraud_rate": ("share: more", "share: fewer"),
    "label_feed": ("messages: more", "messages: fewer"),
    "label_delay": ("reports",),
    "performance": ("recall", "log loss against the heuristic", "log loss against the constant"),
    "expectation": ("expected recall", "share flagged"),
}
MONITORS = tuple(SUBJECTS)
OF_FEATURES = "feature_shift"
SWITCHING = (
    "sanity/scores*",
    "sanity/size of weights",
    "sanity/direction of weights",
    "calibration/*",
    "score_shift/model probability*",
)
NOBODY = "none"


def patterns_of(text: str, field: str = "switching") -> tuple[str, ...]:
    """Patterns from a text, with commas between them; `none`: no monitor may switch.

    Raises:
        ConfigError: one is no `monitor/subject`, of no monitor, or matches nothing that its monitor tells.

    >>> patterns_of("sanity/scores*, calibration/*")
    ('sanity/scores*', 'calibration/*')
    >>> patterns_of("none")
    ()
    >>> patterns_of("calibraton/*")
    Traceback (most recent call last):
    fraud_system.errors.ConfigError: switching: no monitor is called 'calibraton' (fix: did you mean
     'calibration'?)
    """
    patterns = tuple(each.strip() for each in text.split(","))
    if patterns == (NOBODY,):
        return ()
    for pattern in patterns:
        monitor, slash, subject = pattern.partition("/")
        if not (monitor and slash and subject):
            raise ConfigError(
                f"{pattern!r} is no pattern",
                field=field,
                fix="write monitor/subject, such as calibration/*, with commas between them",
            )
        if not any(fnmatchcase(name, monitor) for name in MONITORS):
            close = difflib.get_close_matches(monitor, MONITORS, n=1)
            fix = f"did you mean {close[0]!r}?" if close else f"one of {', '.join(MONITORS)}"
            raise ConfigError(f"no monitor is called {monitor!r}", field=field, fix=fix)
        if not fnmatchcase(OF_FEATURES, monitor):
            _check_subject(monitor, subject, field)
    return patterns


def check_features(patterns: Sequence[str], features: Sequence[str], field: str) -> None:
    """Refuse a pattern about a feature that there is not.

    Raises:
        ConfigError: so it is.

    >>> check_features(["feature_shift/amount*"], ["amount", "hour"], "switching")
    >>> check_features(["feature_shift/amuont"], ["amount", "hour"], "switching")
    Traceback (most recent call last):
    fraud_system.errors.ConfigError: switching: feature_shift tells nothing of 'amuont' (fix: did you mean
     'amount'?)
    """
    told = (*features, *(f"{each}: missing" for each in features))
    for pattern in patterns:
        monitor, _, subject = pattern.partition("/")
        if monitor == OF_FEATURES:
            _check_among(monitor, subject, told, field)


def _check_subject(monitor: str, subject: str, field: str) -> None:
    matched = [name for name in MONITORS if fnmatchcase(name, monitor)]
    _check_among(monitor, subject, [each for name in matched for each in SUBJECTS[name]], field)


def _check_among(monitor: str, subject: str, told: Sequence[str], field: str) -> None:
    if any(fnmatchcase(each, subject) for each in told):
        return
    close = difflib.get_close_matches(subject, told, n=1)
    fix = f"did you mean {close[0]!r}?" if close else f"one of {', '.join(told[:8])}"
    raise ConfigError(f"{monitor} tells nothing of {subject!r}", field=field, fix=fix)


def text_of(patterns: tuple[str, ...]) -> str:
    """The text that gives these patterns.

    >>> text_of(()), text_of(("a/b", "c/*"))
    ('none', 'a/b, c/*')
    """
    return ", ".join(patterns) if patterns else NOBODY
