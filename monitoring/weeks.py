"""Places in the week: the same hours of earlier weeks."""

from fraud_system.events import DAY_US

WEEK_US = 7 * DAY_US


def places_in_week(stretch_us: int) -> int:
    """How many stretches of this length make a week, which `MonitorSettings` sees to.

    The place of a stretch in the week is its number modulo that.

    >>> places_in_week(DAY_US)
    7
    """
    return WEEK_US // stretch_us
