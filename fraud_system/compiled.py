"""How the core's loops are compiled: one place for the options, and why.

- `cache`: a cold start costs seconds once, not at every start.
- `error_model="numpy"`: a division by zero gives inf or nan instead of a branch and an exception;
  every division here is guarded where it matters.
- `borrowing` (numba's `_nrt=False`) for functions that allocate nothing and only read and write arrays
  of their caller: the engine hands tuples of dozens of arrays from function to function, and counting
  the references of each array at each call cost four times the arithmetic. The option is not in
  numba's documentation; its version is pinned, a function that does allocate fails to compile, and the
  tests compare the results with river and with brute force.
- No `fastmath`, no `parallel`: they reorder additions, and the same events must give the same bits.

numba keeps a function's machine code until the *file of that function* changes. But one loop here is
compiled together with functions of many files, so the code is kept in a directory named after the
content of all of them: whoever edits one file, or pulls, never runs yesterday's arithmetic.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba

PACKAGE = Path(__file__).parent
VERSIONS_KEPT = 3


def source_fingerprint(*packages: Path) -> str:
    """Hash of every source file below these packages, by name and content; of this one if none is named.

    >>> source_fingerprint() == source_fingerprint(PACKAGE)
    True
    """
    digest = hashlib.sha256()
    for package in packages or (PACKAGE,):
        for path in sorted(package.rglob("*.py")):
            digest.update(f"{path.relative_to(package)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class Compiler:
    """Compiles the functions of some packages; a package names itself and those whose functions it calls.

    Args:
        packages: their folders; the code is kept beside the sources of the first.
    """

    def __init__(self, *packages: Path) -> None:
        self.directory = _cache_directory(packages)

    def compiled(self, function: Any) -> Any:
        """Compile `function` with the project's options."""
        with self._cached_here():
            return numba.njit(function, cache=True, error_model="numpy")

    def borrowing(self, function: Any) -> Any:
        """The same for functions that only read and write arrays that their caller owns."""
        with self._cached_here():
            return numba.njit(function, cache=True, error_model="numpy", _nrt=False)

    @contextmanager
    def _cached_here(self) -> Iterator[None]:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = self.directory
        try:
            yield
        finally:
            numba.config.CACHE_DIR = before


def _cache_directory(packages: tuple[Path, ...]) -> str:
    """Made beside the sources; where that cannot be written to, in the folder that NUMBA_CACHE_DIR names."""
    homes = [packages[0] / "__pycache__"]
    if numba.config.CACHE_DIR:
        homes.append(Path(numba.config.CACHE_DIR))
    for home in homes:
        chosen = home / f"compiled-{source_fingerprint(*packages)}"
        try:
            chosen.mkdir(parents=True, exist_ok=True)
            chosen.touch()
            versions = sorted(home.glob("compiled-*"), key=lambda path: path.stat().st_mtime)
        except OSError:
            continue
        for old in versions[:-VERSIONS_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        return str(chosen)
    return str(numba.config.CACHE_DIR)


_core = Compiler(PACKAGE)
CACHE_DIRECTORY = _core.directory
compiled, borrowing = _core.compiled, _core.borrowing
