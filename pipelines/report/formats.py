"""How numbers are written on the page: enough digits to compare, none to admire.

Thousands are set apart by a narrow no-break space, money has two decimals, and what is undefined
is a dash with the reason beside it in the text.
"""

import math
from datetime import datetime
from typing import Any

DASH = "\N{EN DASH}"
_SPACE = "\N{NARROW NO-BREAK SPACE}"
_NO_BREAK = "\N{NO-BREAK SPACE}"
_MONTHS = (  # whatever the locale
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
)  # fmt: skip


def whole(value: float | None) -> str:
    """A count.

    >>> whole(1234567).replace("\\u202f", " "), whole(None)
    ('1 234 567', '–')
    """
    return DASH if _undefined(value) else _grouped(f"{value:,.0f}")


def money(value: float | None) -> str:
    """Currency units, two decimals.

    >>> money(-1234.5).replace("\\u202f", " ")
    '−1 234.50'
    """
    return DASH if _undefined(value) else _grouped(f"{value:,.2f}")


def percent(value: float | None, digits: int = 3) -> str:
    """A share with so many significant digits, but never a decimal where there are none to see.

    >>> some = (0.00123456, 0.5, 0.98765, 1.0, 0.0, 12.34)
    >>> [percent(each).replace("\\u00a0", " ") for each in some]
    ['0.123 %', '50 %', '98.8 %', '100 %', '0 %', '1234 %']
    >>> [percent(each).replace("\\u00a0", " ") for each in (0.99987, 0.9999712, 0.999999999)]
    ['99.99 %', '99.997 %', '> 99.999 %']
    """
    if value is None or _undefined(value):
        return DASH
    hundred = 100.0 * value
    if 99.5 <= hundred < 100.0:  # here the distance from 100 % is what matters
        text = next((t for d in (2, 3) if (t := f"{hundred:.{d}f}")[:3] != "100"), "> 99.999")
    else:
        text = significant(hundred, digits)
    return f"{text}{_NO_BREAK}%"


def significant(value: float | None, digits: int = 3) -> str:
    """So many significant digits, without an exponent as long as that is readable.

    >>> significant(0.0123456), significant(1.0), significant(1234.5), significant(1e-7)
    ('0.0123', '1', '1234', '1.00e−7')
    """
    if value is None or _undefined(value):
        return DASH
    if value == 0 or (value == round(value) and abs(value) < 10**digits):
        return _signed(f"{value:.0f}")
    if not 1e-5 <= abs(value) < 1e9:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return _signed(f"{mantissa}e{int(exponent)}")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return _signed(f"{value:.{decimals}f}")


def fixed(value: float | None, decimals: int = 3) -> str:
    """So many decimals, for columns of like figures.

    >>> fixed(0.91)
    '0.910'
    """
    return DASH if _undefined(value) else _signed(f"{value:.{decimals}f}")


def p_value(value: float | None) -> str:
    """
    >>> p_value(0.002), p_value(0.0416), p_value(0.73)
    ('0.002', '0.042', '0.73')
    """
    if value is None or _undefined(value):
        return DASH
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def compact(value: float) -> str:
    """An axis label.

    >>> [compact(each) for each in (0, 0.05, 20, 1500, 20_000, 3.5e6)]
    ['0', '0.05', '20', '1.5k', '20k', '3.5M']
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def interval(figure: dict[str, Any], write: Any, **how: Any) -> str:
    """`[low, high]` of a figure, or nothing where it has none.

    >>> interval({"value": 1, "low": 0.9, "high": 1.1}, fixed, decimals=1).replace("\\u00a0", " ")
    '[0.9, 1.1]'
    >>> interval({"value": 1}, fixed)
    ''
    """
    if figure.get("low") is None:
        return ""
    return f"[{write(figure['low'], **how)},{_NO_BREAK}{write(figure['high'], **how)}]"


def day(moment: str) -> str:
    """The date of an ISO time, in one piece.

    >>> day("2024-05-01T10:00:00").replace("\\u00a0", " ")
    '1 May 2024'
    """
    date = datetime.fromisoformat(moment)
    return _NO_BREAK.join((str(date.day), _MONTHS[date.month - 1], str(date.year)))


def moment(text: str) -> str:
    """Date and time of an ISO time, to the second.

    >>> moment("2024-05-01T10:00:07").replace("\\u00a0", " ")
    '1 May 2024 10:00:07'
    """
    return f"{day(text)} {datetime.fromisoformat(text):%H:%M:%S}"


def axis_percent(value: float) -> str:
    """A share as an axis label.

    >>> [axis_percent(each).replace("\\u00a0", " ") for each in (0.0, 1e-5, 0.006, 0.25, 1.0)]
    ['0 %', '0.001 %', '0.6 %', '25 %', '100 %']
    """
    return f"{100.0 * value:.6g}{_NO_BREAK}%"


def _undefined(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def _grouped(text: str) -> str:
    return _signed(text.replace(",", _SPACE))


def _signed(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
