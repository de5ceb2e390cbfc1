"""Second-degree interactions: what makes a linear model see that two things happen together."""

from collections.abc import Sequence

from river import base


class Interactions(base.Transformer):
    """Keeps the features and adds the product of each chosen pair whose two sides are present.

    river's `PolynomialExtender` adds all pairs; here they are chosen, because each one costs a weight
    that must be learned from few frauds.

    Args:
        pairs: names of the two sides; a square is a pair with itself.

    >>> Interactions((("a", "b"), ("a", "a"))).transform_one({"a": 2.0, "b": 3.0})
    {'a': 2.0, 'b': 3.0, 'a*b': 6.0, 'a*a': 4.0}
    >>> Interactions((("a", "b"),)).transform_one({"a": 2.0})
    {'a': 2.0}
    """

    def __init__(self, pairs: Sequence[tuple[str, str]] = ()) -> None:
        # A list, because river's `clone` takes a tuple for a class with its parameters.
        self.pairs = list(pairs)

    def transform_one(self, x: dict[str, float]) -> dict[str, float]:
        """The features and their products."""
        out = dict(x)
        for left, right in self.pairs:
            if left in x and right in x:
                out[f"{left}*{right}"] = x[left] * x[right]
        return out
