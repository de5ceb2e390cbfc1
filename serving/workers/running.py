"""What every worker does first: take its pipes, step back behind the scorer, read its arguments."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fraud_system.durable_files import write_file
from fraud_system.errors import ArtefactError, FraudSystemError
from fraud_system.events import Frame
from fraud_system.ledger import SqliteLedger
from fraud_system.settings import Settings
from serving.workers.messages import MAX_PATH_CHARACTERS, MAX_REASON_CHARACTERS, SnapshotPassedOver
from serving.workers.pipe import Outlet, attached
from serving.workers.silence import ROUND_S


@dataclass(frozen=True)
class Arguments:
    """Of a worker's command line.

    Args:
        settings: those of the ledger.
        poll_interval_s: how long to wait when there is nothing to do.
        snapshot_every_events: a snapshot is saved after so many events.
        switching, monitors: of the monitor alone: who may switch, as text; its settings (see
            `monitoring.settings_file`), as JSON.
    """

    settings: Settings
    poll_interval_s: float
    snapshot_every_events: int
    switching: str = ""
    monitors: str = "{}"


def run(work: Callable[[Arguments, SqliteLedger, Outlet], None], niceness: int) -> None:
    """Be a worker: `work` until the scorer has gone. An error ends the process, in one line on stderr."""
    outlet = attached()
    os.nice(niceness)
    parser = argparse.ArgumentParser()
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--poll-interval-s", type=float, required=True)
    parser.add_argument("--snapshot-every-events", type=int, required=True)
    parser.add_argument("--switching", default="")
    parser.add_argument("--monitors", default="{}")
    given = parser.parse_args()
    try:
        arguments = Arguments(
            read_settings(given.settings),
            given.poll_interval_s,
            given.snapshot_every_events,
            given.switching,
            given.monitors,
        )
        with SqliteLedger(given.ledger, read_only=True) as ledger:
            work(arguments, ledger, outlet)
    except FraudSystemError as error:
        sys.exit(str(error))


def for_a_round(
    frames: Iterable[Frame], round_s: float = ROUND_S, now_s: Callable[[], float] = time.monotonic
) -> Iterator[Frame]:
    """The frames that can be begun within a round; the first in any case.

    >>> seconds = iter([0.0, 1.0, 4.0, 9.0])
    >>> frames = [Frame(seq, seq, 0, {}) for seq in range(1, 9)]
    >>> [each.last_seq for each in for_a_round(frames, 5.0, lambda: next(seconds))]
    [1, 2, 3]
    """
    end_s = now_s() + round_s
    for frame in frames:
        yield frame
        if now_s() >= end_s:
            return


def say_passed_over(ledger: SqliteLedger, outlet: Outlet) -> None:
    """Tell the scorer, which has the log, of snapshots that could not be used."""
    for path, why in ledger.passed_over:
        said = str(path)[-MAX_PATH_CHARACTERS:], why[:MAX_REASON_CHARACTERS]
        outlet.send(SnapshotPassedOver(*said))


def read_settings(path: Path) -> Settings:
    """The settings that `write_settings` left.

    Raises:
        ArtefactError: the file is missing, or holds no settings of this release.
    """
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtefactError(f"cannot read {path}: {error}", field="settings") from error
    return Settings.from_described(described)


def write_settings(path: Path, settings: Settings) -> None:
    """Leave the settings for the workers of a scorer, as JSON: on the disk, whole or not at all.

    >>> import tempfile
    >>> from fraud_system.features.declaration import load_features
    >>> listed = load_features('[[features]]\\nkind = "log_amount"', [])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "settings.json"
    ...     write_settings(path, Settings(listed))
    ...     read_settings(path) == Settings(listed)
    True
    """
    write_file(path, (json.dumps(settings.described(), indent=1) + "\n").encode())
