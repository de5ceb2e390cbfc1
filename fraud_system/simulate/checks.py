"""Checks settings by the names of their fields, so that no field can be forgotten."""

import math
from dataclasses import fields, is_dataclass
from typing import Any

from fraud_system.errors import ConfigError

Range = tuple[float, float]
Counts = tuple[int, int]


def check_fields(settings: Any) -> None:
    """Each number of a settings dataclass within what its type and the suffix of its name allow.

    Whole where declared so, finite, not negative unless log-odds, shares at most 1, pairs in order.
    """
    for each in fields(settings):
        value = getattr(settings, each.name)
        if is_dataclass(value):
            continue
        numbers = value if isinstance(value, tuple) else (value,)
        problem = ""
        if each.type in (Range, Counts) and (len(numbers) != 2 or numbers[0] > numbers[1]):
            problem = "must be (lowest, highest)"
        elif each.type in (int, Counts) and not all(type(number) is int for number in numbers):
            problem = "must be whole"
        elif not all(math.isfinite(number) for number in numbers):
            problem = "must be finite"
        elif each.name.endswith("_log_odds"):
            continue
        elif min(numbers) < 0:
            problem = "must not be negative"
        elif (each.name == "share" or each.name.endswith("_share")) and max(numbers) > 1:
            problem = "must be a share of at most 1"
        if problem:
            raise ConfigError(f"{problem}, is {value}", field=each.name)
