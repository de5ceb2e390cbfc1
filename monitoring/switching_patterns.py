"""Which monitors may switch to plan B; all others only warn.

A pattern names findings as `monitor/subject`; `*` stands for anything. The defaults are what says that the
model's own scores cannot be trusted any more: not that traffic has changed, or that labels are missing, for
plan B would be no better then (`docs/drills.md` has the measurements).
"""

import difflib
from fnmatch import fnmatchcase

from fraud_system.errors import ConfigError

MONITORS = (
    "sanity",
    "feature_shift",
    "score_shift",
    "calibration",
    "fraud_rate",
    "label_feed",
    "label_delay",
    "performance",
    "expectation",
)
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
        ConfigError: one is no `monitor/subject`, or of no monitor.

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
    return patterns


def text_of(patterns: tuple[str, ...]) -> str:
    """The text that gives these patterns.

    >>> text_of(()), text_of(("a/b", "c/*"))
    ('none', 'a/b, c/*')
    """
    return ", ".join(patterns) if patterns else NOBODY
