"""The check that settings make of their numbers: one place, so that all say the same of the same mistake."""

import math
from typing import Any

from fraud_system.errors import ConfigError


def check_positive(section: str, zero_or_more: str = "", infinite: str = "", **values: Any) -> None:
    """Every value is a finite number above 0.

    Args:
        section: of the settings, for the error.
        zero_or_more: the name of one that may also be 0.
        infinite: the name of one that may also be infinite.
        values: by name.

    Raises:
        ConfigError: naming the first that is not.

    >>> check_positive("guards", max_weight=100.0)
    >>> check_positive("guards", max_weight=-1.0)
    Traceback (most recent call last):
    fraud_system.errors.ConfigError: guards.max_weight: must be positive, not -1.0
    """
    for name, value in values.items():
        field = f"{section}.{name}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"must be a number, not {value!r}", field=field)
        # Asked this way round, so that a nan is refused as well.
        in_range = value > 0.0 or (name == zero_or_more and value == 0.0)
        if not in_range or (math.isinf(value) and name != infinite):
            raise ConfigError(f"must be positive, not {value}", field=field)
