"""Dropping from the ledger what is safe in the archive.

Only the process that has the writer's lock may drop: the command, while no server runs, or the server itself.
It believes nothing: the files are read again, and what they hold is compared with the ledger.
"""

from collections.abc import Callable, Iterator

from fraud_system.errors import ArtefactError
from fraud_system.events import Frame
from fraud_system.labels import LabelSettings
from fraud_system.ledger import Ledger
from serving.operations.archive import Archive, Span, records_sha256
from serving.operations.retention import least_kept_s, needed_from


def archived_before(
    ledger: Ledger,
    archive: Archive,
    labels: LabelSettings,
    progress: Callable[[Span], None] = lambda span: None,
) -> int:
    """The seq before which everything in the ledger is archived, and needed no more.

    That is `ledger.first_seq` where there is nothing of the kind. Every span is read from the disk and
    compared with the ledger, so this takes time; a reader's handle will do.

    Raises:
        ArtefactError, CorruptFrame: the archive is damaged, or another ledger's.
    """
    before = ledger.first_seq
    limit = needed_from(ledger, least_kept_s(labels))
    for span in archive.spans():
        if span.last_seq < before:
            continue
        if span.last_seq >= limit:
            break
        if span.first_seq > before:
            raise ArtefactError(
                f"what follows event {before - 1} is missing", field=str(archive.folder)
            )
        # A span of which only a part was dropped so far: what is left is compared.
        recorded = records_sha256(_between(ledger, before, span.last_seq))
        kept = (frame for frame in archive.frames(span) if frame.first_seq >= before)
        if records_sha256(kept) != recorded:
            raise ArtefactError(
                "is not what the ledger holds",
                field=f"{archive.folder}: {span.place}",
                fix="give the archive that belongs to this ledger",
            )
        before = span.last_seq + 1
        progress(span)
    return before


def drop_in_steps(ledger: Ledger, seq: int) -> Iterator[int]:
    """Drop what is before `seq`, in short commits; yields after each how many events went."""
    while dropped := ledger.drop_before(seq):
        yield dropped


def _between(ledger: Ledger, first_seq: int, last_seq: int) -> Iterator[Frame]:
    for frame in ledger.frames(first_seq - 1):
        if frame.first_seq > last_seq:
            return
        yield frame
