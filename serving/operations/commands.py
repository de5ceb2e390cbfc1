"""`python -m serving backup|restore|archive|verify|snapshots|erase-card`.

See `-h` of each, and docs/operations.md. A mistake ends with one line and exit code 2.
"""

import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from fraud_system.errors import FraudSystemError, LedgerError
from fraud_system.events import Frame
from fraud_system.ledger import SqliteLedger
from fraud_system.ledger.sqlite_file import ledger_errors, writer_lock
from fraud_system.replay import verify
from monitoring.settings_file import monitor_settings, read_sections
from serving.operations.archive import Archive
from serving.operations.backup import back_up
from serving.operations.command_line import archive_of, files_of, parser
from serving.operations.dropping import archived_before, drop_in_steps
from serving.operations.erase import erase, resume
from serving.operations.journal import check_none
from serving.operations.ledger_files import check_exists
from serving.operations.restore import restore
from serving.operations.retention import kept_s, needed_from
from serving.operations.snapshots import save_snapshots
from serving.operations.whole_ledger import WholeLedger
from serving.workers.running import read_settings

PAUSE_S = 0.005  # between two steps of a backup, so that a server has the disk too


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    try:
        COMMANDS[arguments[0]](arguments[1:])
    except FraudSystemError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _backup(arguments: Sequence[str]) -> None:
    taking = parser("backup", "A consistent copy of a scorer, also while it runs.")
    taking.add_argument("--out", type=Path, default=Path("var/backups"))
    given = taking.parse_args(arguments)
    with tqdm(unit=" pages", unit_scale=True, disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            time.sleep(PAUSE_S)

        made = back_up(files_of(given), given.out, datetime.now(UTC), progress)
    print(made)


def _restore(arguments: Sequence[str]) -> None:
    taking = parser("restore", "A scorer's files from a backup; nothing is overwritten.")
    taking.add_argument("--backup", type=Path, required=True, help="a folder that backup made")
    given = taking.parse_args(arguments)
    manifest = restore(given.backup, files_of(given))
    print(
        f"{given.ledger}: events {manifest.first_seq} to {manifest.last_seq},"
        f" as of {manifest.made_at:%Y-%m-%d %H:%M:%S %Z}"
    )


def _archive(arguments: Sequence[str]) -> None:
    taking = parser(
        "archive",
        "Old frames to Parquet, beside a server; then, if none runs, they are dropped from the ledger.",
    )
    taking.add_argument(
        "--days", type=float, help="keep so many days; by default the label horizon"
    )
    taking.add_argument("--drop-only", action="store_true", help="drop what was archived before")
    given = taking.parse_args(arguments)
    files, archive = files_of(given), Archive(archive_of(given))
    check_exists(files)
    labels = read_settings(files.settings).labels
    keep_s = kept_s(labels, given.days)
    if not given.drop_only:
        with SqliteLedger(files.ledger, read_only=True) as ledger:
            print(f"archived {_write(archive, ledger, keep_s):,} events in {archive.folder}")
    if _has_server(files.ledger):
        print(
            "a server has the ledger: what was archived stays in it, too,"
            " until this command is run while no server does"
        )
        return
    with SqliteLedger(files.ledger) as ledger:
        before = archived_before(ledger, archive, labels)
        dropped = sum(drop_in_steps(ledger, before))
        print(f"dropped {dropped:,} events; the ledger begins at event {ledger.first_seq}")


def _write(archive: Archive, ledger: SqliteLedger, keep_s: int) -> int:
    """Archive what is not yet; returns how many events."""
    spans = archive.spans()
    after = max(spans[-1].last_seq if spans else 0, ledger.first_seq - 1)
    stop = needed_from(ledger, keep_s)
    if stop <= after + 1:
        return 0
    with tqdm(total=stop - after - 1, unit=" events", unit_scale=True, disable=None) as bar:
        for span in archive.append(_until(ledger, after, stop)):
            bar.update(span.last_seq - after - bar.n)
    return stop - after - 1


def _until(ledger: SqliteLedger, after: int, stop: int) -> Iterator[Frame]:
    for frame in ledger.frames(after):
        if frame.last_seq >= stop:
            return
        yield frame


def _has_server(ledger: Path) -> bool:
    try:
        with ledger_errors(ledger), writer_lock(ledger.resolve()):
            return False
    except LedgerError as error:
        if "has a writer" not in error.problem:
            raise
        return True


def _verify(arguments: Sequence[str]) -> None:
    taking = parser("verify", "Replay archive and ledger from event 1 and compare every byte.")
    given = taking.parse_args(arguments)
    files = files_of(given)
    check_exists(files)
    settings, last = read_settings(files.settings), 0
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        whole = WholeLedger(ledger, Archive(archive_of(given)))
        with tqdm(total=ledger.last_seq, unit=" events", unit_scale=True, disable=None) as bar:
            for last in verify(settings, whole):
                bar.update(last - bar.n)
    print(f"{last:,} events replayed: every byte is the same")


def _snapshots(arguments: Sequence[str]) -> None:
    taking = parser("snapshots", "Make the snapshots anew, from archive and ledger.")
    taking.add_argument("--monitors", type=Path, help="the file in FRAUD_MONITORS_FILE, if any")
    given = taking.parse_args(arguments)
    sections = {} if given.monitors is None else read_sections(given.monitors, "--monitors")
    files = files_of(given)
    check_exists(files)
    check_none(files.erasure)
    settings = read_settings(files.settings)
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        whole = WholeLedger(ledger, Archive(archive_of(given)))
        place = save_snapshots(settings, whole, ledger, monitor_settings(sections))
    print(f"snapshots after event {place:,} of engine, learner and monitors")


def _erase_card(arguments: Sequence[str]) -> None:
    taking = parser(
        "erase-card", "Replace a card's key by a random one, everywhere; the server is stopped."
    )
    taking.add_argument("--entity", default="card", help="what the settings call it; default: card")
    what = taking.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--card", help="its number as it was sent, or - to read it from standard input"
    )
    what.add_argument("--resume", action="store_true", help="finish what was cut off")
    given = taking.parse_args(arguments)
    files, archive = files_of(given), Archive(archive_of(given))

    def progress(step: str) -> None:
        print(f"... {step}", file=sys.stderr)

    if given.resume:
        done = resume(files, archive, progress)
    else:
        card = sys.stdin.readline().rstrip("\n") if given.card == "-" else given.card
        done = erase(files, archive, given.entity, card, _random_key(), progress)
    print(
        f"erased the {given.entity} from {done.transactions:,} transactions: {done.frames:,} frames of the"
        f" ledger and {done.spans:,} spans of the archive were written anew"
    )
    if done.same_key:
        print(
            f"{done.same_key:,} records hold the same 64-bit key for something else, such as a terminal of"
            " the very same text; that was left"
        )
    print(
        "backups, exports and the run that the ledger was begun from are not touched: remove them, too"
    )


def _random_key() -> int:
    return secrets.randbits(64) or 1


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "backup": _backup,
    "restore": _restore,
    "archive": _archive,
    "verify": _verify,
    "snapshots": _snapshots,
    "erase-card": _erase_card,
}
