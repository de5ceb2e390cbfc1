"""What a declaration gives for one key: a text, a number, or a list that stands for several features."""

from typing import Any

from fraud_system.errors import ConfigError
from fraud_system.features.scales import seconds


def choices(given: Any, key: str, where: str) -> list[str]:
    """One text, or a list of them; quantiles and multiples may be numbers."""
    values = given if isinstance(given, list) else [given]
    if not values:
        raise ConfigError("must not be empty", field=where, fix="give a text or a list of texts")
    if key == "quantile":
        return [_quantile(value, where) for value in values]
    if key == "times":
        return [_times(value, where) for value in values]
    for value in values:
        if not isinstance(value, str):
            raise ConfigError(f"must be text, not {value!r}", field=where, fix="write it in quotes")
        if key == "age":
            seconds(value, where)
    return values


def _quantile(given: Any, where: str) -> str:
    """The same text for 0.5, "0.5" and "0.50": it becomes part of the feature's name."""
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = 0.0
    if isinstance(given, bool) or not 0.0 < value < 1.0:
        raise ConfigError(
            f"must be a number between 0 and 1, not {given!r}", field=where, fix='e.g. "0.99"'
        )
    return str(value)


def _times(given: Any, where: str) -> str:
    """The same text for 2, "2" and "2.0"."""
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = 0.0
    if isinstance(given, bool) or not 0.01 <= value <= 100.0:
        raise ConfigError(
            f"must be a number from 0.01 to 100, not {given!r}", field=where, fix='e.g. "2"'
        )
    return f"{value:g}"
