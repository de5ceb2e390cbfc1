"""Which stretches of a ledger are compared: by the time when the engine came to know, UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from fraud_system.errors import ConfigError
from fraud_system.events import DAY_US, SECOND_US

HOUR_US = 3_600 * SECOND_US
CURRENT_DAYS, REFERENCE_DAYS = 7, 28
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """From a moment until just before another.

    Args:
        from_us: microseconds since 1970, inclusive.
        to_us: exclusive.
    """

    from_us: int
    to_us: int

    @classmethod
    def parse(cls, text: str, field: str) -> Self:
        """Read FROM..TO, two dates or times; without an offset they are UTC.

        Raises:
            ConfigError: it is not that, or ends before it begins.

        >>> Window.parse("2025-01-01..2025-01-08", "CURRENT").words
        '2025-01-01 00:00 to 2025-01-08 00:00'
        >>> Window.parse("2025-01-08..2025-01-01", "CURRENT")
        Traceback (most recent call last):
        fraud_system.errors.ConfigError: CURRENT: ends before it begins (fix: give FROM..TO, e.g.
         2025-01-01..2025-01-08)
        """
        fix = "give FROM..TO, e.g. 2025-01-01..2025-01-08"
        try:
            start, end = (_microseconds(each) for each in text.split(".."))
        except (ValueError, OverflowError):
            raise ConfigError(f"{text!r:.100} are no two times", field=field, fix=fix) from None
        if end <= start:
            raise ConfigError("ends before it begins", field=field, fix=fix)
        return cls(start, end)

    @property
    def words(self) -> str:
        """For a person, UTC."""
        return f"{_written(self.from_us)} to {_written(self.to_us)}"

    @property
    def text(self) -> str:
        """As `parse` reads it.

        >>> Window.parse("2025-01-01T06:00..2025-01-08", "CURRENT").text
        '2025-01-01T06:00:00Z..2025-01-08T00:00:00Z'
        """
        return f"{_iso(self.from_us)}..{_iso(self.to_us)}"


def choose(reference: Window | None, current: Window | None, last_us: int) -> tuple[Window, Window]:
    """Reference and current window, with what was not given filled in.

    By default the last 7 days, up to the end of the hour of `last_us`, against the 4 weeks before them.

    Raises:
        ConfigError: they overlap.

    >>> reference, current = choose(None, None, last_us=35 * DAY_US - 1)
    >>> current.from_us // DAY_US, current.to_us // DAY_US, reference.from_us, reference.to_us // DAY_US
    (28, 35, 0, 28)
    """
    if current is None:
        end = (last_us // HOUR_US + 1) * HOUR_US
        current = Window(end - CURRENT_DAYS * DAY_US, end)
    if reference is None:
        reference = Window(current.from_us - REFERENCE_DAYS * DAY_US, current.from_us)
    if reference.from_us < current.to_us and current.from_us < reference.to_us:
        raise ConfigError(
            f"overlaps with the current one ({reference.words}; {current.words})",
            field="REFERENCE",
            fix="let one end before the other begins",
        )
    return reference, current


def _microseconds(text: str) -> int:
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)


def _written(time_us: int) -> str:
    return f"{_moment(time_us):%Y-%m-%d %H:%M}"


def _iso(time_us: int) -> str:
    return _moment(time_us).isoformat().replace("+00:00", "Z")
