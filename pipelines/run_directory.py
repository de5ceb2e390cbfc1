"""A run directory is written beside its place and swapped in when it is whole.

    .NAME.unfinished   what is being written; removed if the job fails, or by the next one
    .NAME.replaced     the earlier run, for the moment between two renames

A crash at any moment leaves the earlier run or the new one, never neither: `check_out` puts back what a
crash left aside.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fraud_system.errors import ArtefactError


def check_out(out: Path) -> None:
    """Refuse a place that holds something else than an earlier run; before anything costly is done.

    Raises:
        ArtefactError: it does.
    """
    recover(out)
    if out.exists() and not (
        out.is_dir() and ((out / "run.json").exists() or not any(out.iterdir()))
    ):
        raise ArtefactError(
            f"{out} exists and is not a run", field="out", fix="name another directory"
        )


def recover(out: Path) -> None:
    """End a swap that a crash cut short: the new run if it is in place, else the earlier one."""
    replaced = _beside(out, "replaced")
    if not replaced.exists():
        return
    if out.exists():
        shutil.rmtree(replaced)
    else:
        replaced.rename(out)


@contextmanager
def written_aside(out: Path) -> Iterator[Path]:
    """A directory beside `out` that takes its place if all goes well, and vanishes if not."""
    out.parent.mkdir(parents=True, exist_ok=True)
    aside, replaced = _beside(out, "unfinished"), _beside(out, "replaced")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    recover(out)
    if out.exists():
        out.rename(replaced)
    aside.rename(out)
    shutil.rmtree(replaced, ignore_errors=True)


def _beside(out: Path, what: str) -> Path:
    return out.parent / f".{out.name}.{what}"
