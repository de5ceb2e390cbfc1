"""Time scales as the declaration writes them: a whole number and a unit."""

from fraud_system.errors import ConfigError

UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
UNITS_IN_WORDS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
MAX_DIGITS = 9


def seconds(text: str, where: str = "scale") -> int:
    """A time scale in seconds.

    Raises:
        ConfigError: naming `where`.

    >>> seconds("90s"), seconds("7d")
    (90, 604800)
    """
    number, unit = text[:-1], text[-1:]
    usable = number.isascii() and number.isdigit() and len(number) <= MAX_DIGITS
    if unit not in UNITS_S or not usable or int(number) == 0:
        raise ConfigError(f"{text!r} is not a time scale", field=where, fix='e.g. "1h" or "30d"')
    return int(number) * UNITS_S[unit]


def in_words(text: str) -> str:
    """A time scale as a person says it.

    >>> in_words("90s"), in_words("1d"), in_words("24h")
    ('90 seconds', '1 day', '24 hours')
    """
    number, unit = text[:-1], UNITS_IN_WORDS[text[-1:]]
    return f"{number} {unit}" if number == "1" else f"{number} {unit}s"
