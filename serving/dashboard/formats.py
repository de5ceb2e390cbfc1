"""Numbers, times and durations as the page writes them."""

import math
from datetime import UTC, datetime

from markupsafe import Markup

from fraud_system.events import SECOND_US

DASH = "\N{EN DASH}"
_MINUS, _THIN, _NO_BREAK = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}"


def whole(value: float | None) -> str:
    """A count, in groups of three.

    >>> whole(1234567.4).replace("\\u202f", " "), whole(None)
    ('1 234 567', '\\u2013')
    """
    if _undefined(value):
        return DASH
    return f"{value:,.0f}".replace(",", _THIN).replace("-", _MINUS)


def fixed(value: float | None, decimals: int = 2) -> str:
    """So many decimals, in groups of three.

    >>> fixed(1234.567), fixed(float("nan"))
    ('1\\u202f234.57', '\\u2013')
    """
    if _undefined(value):
        return DASH
    return f"{value:,.{decimals}f}".replace(",", _THIN).replace("-", _MINUS)


def short(value: float | None) -> str:
    """Three digits that say something, for evidence that spans many powers of ten.

    >>> short(0.0421), short(12.3), short(45_000.0), short(3.2e9), short(1e7), short(0.0)
    ('0.042', '12', '45\\u202f000', '3.2 billion', '10 million', '0')
    >>> short(4e17)
    '10^17'
    """
    if _undefined(value):
        return DASH
    assert value is not None
    if value == 0.0:
        return "0"
    if abs(value) >= 1e15:
        return f"10^{math.floor(math.log10(abs(value)))}"
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if abs(value) >= size:
            return (
                f"{value / size:.2g} {name}"
                if value < 9.95 * size
                else f"{value / size:.0f} {name}"
            )
    if abs(value) >= 10.0:
        return whole(value)
    return f"{value:.2g}".replace("-", _MINUS)


def percent(value: float | None, decimals: int = 1) -> str:
    """A share.

    >>> percent(0.1234).replace("\\u00a0", " ")
    '12.3 %'
    """
    return DASH if _undefined(value) else f"{fixed(100.0 * (value or 0.0), decimals)}{_NO_BREAK}%"


def milliseconds(value_s: float | None) -> str:
    """A short duration.

    >>> milliseconds(0.00234).replace("\\u00a0", " "), milliseconds(0.25).replace("\\u00a0", " ")
    ('2.3 ms', '250 ms')
    """
    if _undefined(value_s):
        return DASH
    value = 1000.0 * (value_s or 0.0)
    return f"{value:.1f}{_NO_BREAK}ms" if value < 10.0 else f"{value:,.0f}{_NO_BREAK}ms"


def duration(value_s: float | None) -> str:
    """How long, in its largest unit.

    >>> [duration(each).replace("\\u00a0", " ") for each in (0.4, 75.0, 7_200.0, 300_000.0)]
    ['0 s', '75 s', '2.0 h', '3.5 days']
    """
    if _undefined(value_s):
        return DASH
    value = value_s or 0.0
    for longest_s, unit_s, name, decimals in (
        (100.0, 1.0, "s", 0),
        (6_000.0, 60.0, "min", 0),
        (172_800.0, 3_600.0, "h", 1),
    ):
        if value < longest_s:
            return f"{value / unit_s:.{decimals}f}{_NO_BREAK}{name}"
    return f"{value / 86_400.0:.1f}{_NO_BREAK}days"


def iso(time_us: int) -> str:
    """Seconds are enough.

    >>> iso(1_700_000_000_000_000)
    '2023-11-14T22:13:20Z'
    """
    return f"{datetime.fromtimestamp(time_us // SECOND_US, UTC):%Y-%m-%dT%H:%M:%SZ}"


def moment(time_us: int | datetime) -> Markup:
    """A time with its machine-readable form; always UTC.

    >>> print(moment(1_700_000_000_000_000))
    <time datetime="2023-11-14T22:13:20Z"><span>2023-11-14</span> <span>22:13:20</span></time>
    """
    if isinstance(time_us, datetime):
        time_us = int(time_us.timestamp() * SECOND_US)
    text = iso(time_us)
    date, clock = text[:-1].split("T")
    shown = '<time datetime="{}"><span>{}</span> <span>{}</span></time>'
    return Markup(shown).format(text, date, clock)


def day(time_us: int) -> Markup:
    """A day.

    >>> print(day(1_700_000_000_000_000))
    <time datetime="2023-11-14"><span>2023-11-14</span></time>
    """
    text = iso(time_us)[:10]
    return Markup('<time datetime="{}"><span>{}</span></time>').format(text, text)


def interval(low: float | None, high: float | None, decimals: int = 2, times: float = 1.0) -> str:
    """`[low, high]`, empty where there is none.

    >>> interval(0.5, 0.75), interval(None, None)
    ('[0.50, 0.75]', '')
    """
    if low is None or high is None:
        return ""
    return f"[{fixed(times * low, decimals)}, {fixed(times * high, decimals)}]"


def _undefined(value: float | None) -> bool:
    return value is None or not math.isfinite(value)
