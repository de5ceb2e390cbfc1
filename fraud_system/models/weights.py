"""The weights of a model at one moment, whatever kind of model learned them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Weights(NamedTuple):
    """What answers transactions; d features, k products.

    Args:
        mean, deviation: (d,) of the scaler.
        weight: (d + k,).
        intercept: (1,).
    """

    mean: Floats
    deviation: Floats
    weight: Floats
    intercept: Floats
