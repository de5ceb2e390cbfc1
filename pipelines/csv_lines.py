"""The lines of a CSV file, plain, in gzip or in a zip, and the fields of one line.

A line is a row. A quoted value cannot go over several lines, so one stray quote costs one line and never
the thousands that follow it. The separator is a comma, the encoding UTF-8.
"""

import csv
import gzip
import io
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from fraud_system.errors import DataError

CSV_SUFFIXES = (".csv", ".csv.gz", ".zip")


@contextmanager
def opened_lines(path: Path) -> Iterator[Iterator[str]]:
    """The lines of a file whose suffix is one of `CSV_SUFFIXES`, each with its end.

    Bytes that are not UTF-8 become U+FFFD, so they spoil their own value only.

    Raises:
        DataError: a zip that does not hold exactly one CSV file, or is locked.
    """
    name = path.name.lower()
    with ExitStack() as stack:
        stored: Any
        if name.endswith(".zip"):
            archive = stack.enter_context(zipfile.ZipFile(path))
            stored = stack.enter_context(_member(archive, path.name))
        elif name.endswith(".gz"):
            stored = stack.enter_context(gzip.open(path))
        else:
            stored = stack.enter_context(path.open("rb"))
        yield io.TextIOWrapper(stored, encoding="utf-8-sig", errors="replace")


def fields(line: str) -> list[str] | None:
    """The fields of one line; None when its quotes do not close.

    >>> fields('1,"a, b"\\n'), fields('1,"a')
    (['1', 'a, b'], None)
    """
    text = line.rstrip("\n")
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        return None


def _member(archive: zipfile.ZipFile, where: str) -> IO[bytes]:
    """The one CSV file of an archive; what some programs put beside it does not count."""
    names = [
        name
        for name in archive.namelist()
        if name.lower().endswith(".csv") and not name.startswith("__MACOSX/")
    ]
    if len(names) != 1:
        problem = f"holds {len(names)} CSV files, not one"
        raise DataError(problem, field=where, fix="give the CSV file itself")
    try:
        return archive.open(names[0])
    except (RuntimeError, NotImplementedError) as error:  # locked, or packed in another way
        raise DataError(f"{error}", field=where, fix="unpack it, give the CSV file") from error
