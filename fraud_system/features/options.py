"""What a declaration gives for one key: a text, a number, or a list that stands for several features."""

from typing import Any

from fraud_system.errors import ConfigError


def choices(given: Any, key: str, where: str) -> list[str]:
    """One text, or a list of them; quantiles and numbers of frauds may be numbers."""
    values = given if isinstance(given, list) else [given]
    if not values:
        raise ConfigError("must not be empty", field=where, fix="give a text or a list of texts")
    if key == "quantile":
        return [_quantile(value, where) for value in values]
    if key == "frauds":
        return [_frauds(value, where) for value in values]
    for value in values:
        if not isinstance(value, str):
            raise ConfigError(f"must be text, not {value!r}", field=where, fix="write it in quotes")
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


def _frauds(given: Any, where: str) -> str:
    """A whole number as text, for the feature's name."""
    text = str(given)
    usable = text.isascii() and text.isdigit() and len(text) <= 4
    if isinstance(given, bool) or not usable or int(text) not in range(1, 1_001):
        raise ConfigError(
            f"must be a whole number from 1 to 1000, not {given!r}", field=where, fix='e.g. "4"'
        )
    return str(int(text))
