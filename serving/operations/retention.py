"""Which frames a ledger can do without, once they are archived.

A server needs

    - everything within the label horizon: reports join it, and its ids are answered from the record. The wait
      of early reports comes on top, so that a report which came before its transaction stays beside it;
    - the weights that answered the oldest of those: to repeat an answer takes the weights that gave it;
    - what recovery may read after the older of the two snapshots of engine, learner and monitors.
"""

from fraud_system.errors import ConfigError, LedgerError
from fraud_system.labels import LabelSettings
from fraud_system.ledger import Ledger
from monitoring.overseer import SNAPSHOT

DAY_S = 86_400
_SECOND_US = 1_000_000


def least_kept_s(labels: LabelSettings) -> int:
    """Seconds of events that a ledger has to keep at least."""
    return labels.horizon_s + labels.orphan_wait_s


def kept_s(labels: LabelSettings, days: float | None) -> int:
    """Seconds of events to keep, when so many days were asked for; without, the least.

    Raises:
        ConfigError: less than a server needs.
    """
    least_s = least_kept_s(labels)
    if days is None:
        return least_s
    if not least_s <= days * DAY_S < float("inf"):
        raise ConfigError(
            f"{days:g} days are less than a server needs",
            field="DAYS",
            fix=f"give at least {least_s / DAY_S:g}: the label horizon and the wait of early reports",
        )
    return int(days * DAY_S)


def needed_from(ledger: Ledger, keep_s: int) -> int:
    """Where the oldest frame begins that has to stay; those before it may go.

    Args:
        ledger: a reader's handle will do.
        keep_s: how much to keep, counted back from the last event; see `kept_s`.

    Raises:
        LedgerError: the weights that were in force cannot be found.
    """
    first, last = ledger.first_seq, ledger.last_seq
    if last < first:
        return first
    limit_us = ledger.frame_at(last).known_time_us - keep_s * _SECOND_US
    by_folds = min(ledger.needed_from_seq, _monitors_need_from(ledger))
    kept = min(_first_frame_since(ledger, limit_us), by_folds)
    # What begins before it stays whole, and so do the weights that its first decision was made with.
    return _in_force_at(ledger, ledger.frame_at(kept).first_seq)


def _monitors_need_from(ledger: Ledger) -> int:
    """The place of their older snapshot; everything, as long as they have none."""
    newest = ledger.latest_snapshot(SNAPSHOT)
    if newest is None:
        return ledger.first_seq
    older = ledger.latest_snapshot(SNAPSHOT, newest[0] - 1)
    return max(ledger.first_seq, (older or newest)[0])


def _first_frame_since(ledger: Ledger, limit_us: int) -> int:
    """Where the oldest frame begins that is not older than a known time; known times never decrease."""
    low, high = ledger.first_seq, ledger.last_seq
    while low < high:
        frame = ledger.frame_at((low + high) // 2)
        if frame.known_time_us < limit_us:
            low = frame.last_seq + 1
        else:
            high = frame.first_seq
    return low


def _in_force_at(ledger: Ledger, seq: int) -> int:
    """Where the weights were published that were in force right before an event."""
    while seq > ledger.first_seq:
        frame = ledger.frame_at(seq - 1)
        if "published" in frame.tables:
            return frame.first_seq
        if "decision" in frame.tables:
            version = int(frame.tables["decision"]["weights_version"][-1])
            found = ledger.publication_seq(version)
            if found is None:
                raise LedgerError(
                    f"weights version {version} is not on record", field=f"seq {frame.last_seq}"
                )
            return found
        seq = frame.first_seq
    return seq
