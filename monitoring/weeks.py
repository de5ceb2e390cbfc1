"""Places in the week: the same hours of earlier weeks."""

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import DAY_US

WEEK_US = 7 * DAY_US
MONDAY_US = 4 * DAY_US  # 1970-01-01 was a Thursday


def places_in_week(stretch_us: int) -> int:
    """How many stretches of this length begin in a week, at most.

    >>> places_in_week(DAY_US)
    7
    """
    return -(-WEEK_US // stretch_us)


def place_in_week(number: NDArray[np.int64], stretch_us: int) -> NDArray[np.int64]:
    """(n,) place of stretches, numbered from 1970, within their week, from Monday 0:00 UTC.

    >>> place_in_week(np.array([0, 1, 4]), DAY_US)  # Thursday, Friday, Monday
    array([3, 4, 0])
    """
    place: NDArray[np.int64] = (number * stretch_us - MONDAY_US) % WEEK_US // stretch_us
    return place
