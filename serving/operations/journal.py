"""What an erasure has yet to do, beside the ledger: written before anything is changed, removed at the end.

While it exists, a part of the files may hold the old key, and another part the new one. The next step is to
go on; every step can be done twice. It holds the card's old key, so it is readable by its owner alone.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from fraud_system.durable_files import disk_errors, sync_folder, write_file
from fraud_system.errors import ArtefactError, LedgerError
from serving.operations.erasure import Replacement

_MAX_BYTES = 1 << 16
_Key = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")]


class _Journal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    entity: Annotated[int, msgspec.Meta(ge=0)]
    old_key: _Key
    new_key: _Key


def begin(path: Path, replacement: Replacement) -> None:
    """Note an erasure.

    Raises:
        LedgerError: another one has not been finished.
    """
    check_none(path)
    keys = f"{replacement.old_key:016x}", f"{replacement.new_key:016x}"
    with disk_errors("cannot note the erasure"):
        write_file(path, msgspec.json.encode(_Journal(1, replacement.entity, *keys)), mode=0o600)


def unfinished(path: Path) -> Replacement:
    """The erasure that was cut off.

    Raises:
        LedgerError: there is none.
        ArtefactError: the note is damaged.
    """
    if not path.exists():
        raise LedgerError("no erasure was cut off", field=str(path), fix="leave out --resume")
    with disk_errors("cannot read the note"), path.open("rb") as file:
        content = file.read(_MAX_BYTES)
    try:
        noted = msgspec.json.decode(content, type=_Journal)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtefactError(f"is damaged: {error}", field=str(path)) from error
    return Replacement(noted.entity, int(noted.old_key, 16), int(noted.new_key, 16))


def check_none(path: Path) -> None:
    """Refuse to begin something while an erasure is unfinished."""
    if path.exists():
        raise LedgerError(
            "an erasure was cut off",
            field=str(path),
            fix="finish it with `python -m serving erase-card --resume`",
        )


def end(path: Path) -> None:
    """The erasure is finished."""
    with disk_errors("cannot remove the note"):
        path.unlink()
        sync_folder(path.parent)
