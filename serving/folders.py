"""Folders and places that an operator names: what is wrong with one is told of the setting, in one line."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fraud_system.errors import ConfigError

_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO}


def make_folder(folder: Path, field: str) -> None:
    """Make a folder and those above it; one that is there is left as it is.

    Args:
        folder: to be made.
        field: the setting or argument that named it.

    Raises:
        ConfigError: it cannot be.
    """
    with place_errors(folder, field):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def place_errors(place: Path, field: str) -> Iterator[None]:
    """What the file system raises about a place, as an error that names the setting.

    >>> with place_errors(Path("/nowhere"), "OUT"):
    ...     Path("/dev/null/sub").mkdir()
    Traceback (most recent call last):
    fraud_system.errors.ConfigError: OUT: /nowhere cannot be used: Not a directory (fix: name a place in a
     folder that is there or can be made, and that you may write)
    """
    try:
        yield
    except OSError as error:
        why = "a file is there" if isinstance(error, FileExistsError) else error.strerror or error
        fix = "name a place in a folder that is there or can be made, and that you may write"
        if error.errno in _OF_THE_DISK:
            fix = "look at the disk: is it full, or failing?"
        raise ConfigError(f"{place} cannot be used: {why}", field=field, fix=fix) from error
