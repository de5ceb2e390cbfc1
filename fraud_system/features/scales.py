"""Time scales as the declaration writes them: a whole number and a unit."""

from fraud_system.errors import ConfigError

UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
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
