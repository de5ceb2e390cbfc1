"""Bounds standardised features smoothly, so that one wild value cannot drag the weights away.

The scaler before it still learns the wild value, and forgets nothing: one row in a thousand that is 1,000
times too large flattens every later value to nearly 0 (tests/oracle/test_baseline_statistics.py has the
stream). Columns with long tails want a logarithm before they come here, as amounts have.
"""

import math

from river import base

from fraud_system.models.model_settings import SQUASH_LIMIT


class Squash(base.Transformer):
    """Maps each feature z to `limit * tanh(z / limit)`: the identity near 0, bounded by the limit.

    Args:
        limit: the bound, in standard deviations when it follows a standard scaler.

    >>> {name: round(z, 3) for name, z in Squash(5.0).transform_one({"a": 0.1, "b": 1e9}).items()}
    {'a': 0.1, 'b': 5.0}
    """

    def __init__(self, limit: float = SQUASH_LIMIT) -> None:
        self.limit = limit

    def transform_one(self, x: dict[str, float]) -> dict[str, float]:
        """The squashed features."""
        return {name: self.limit * math.tanh(z / self.limit) for name, z in x.items()}
