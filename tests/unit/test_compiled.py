"""Compiled code is never older than its sources, whichever file was edited."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fraud_system.compiled import CACHE_DIRECTORY, source_fingerprint
from fraud_system.kernel import fold

CALLEE = """
from fraud_system.compiled import compiled

@compiled
def step(x):
    return x + {step}
"""
CALLER = """
from fraud_system.compiled import compiled
from {package}.callee import step

@compiled
def walk(x):
    return step(x)
"""


def test_the_fingerprint_follows_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    first = source_fingerprint(tmp_path)
    (tmp_path / "a.py").write_text("x = 2")
    second = source_fingerprint(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({first, second, source_fingerprint(tmp_path)}) == 3


def test_the_core_is_kept_under_the_fingerprint_of_all_sources() -> None:
    assert source_fingerprint() in CACHE_DIRECTORY
    assert fold.stats.cache_path.startswith(CACHE_DIRECTORY)


@pytest.mark.parametrize("sources", ["writable", "read-only"])
def test_a_caller_sees_an_edit_of_its_callee_in_the_next_process(
    tmp_path: Path, sources: str
) -> None:
    """A copy of the package, in which one small file is edited between two processes."""
    copy, elsewhere = tmp_path / "fraud_system", tmp_path / "elsewhere"
    copy.mkdir()
    if sources == "read-only":
        (copy / "__pycache__").write_text("no folder can be made here")
    (copy / "__init__.py").write_text("")
    source = Path(sys.modules["fraud_system.compiled"].__file__ or "")
    (copy / "compiled.py").write_text(source.read_text())
    (copy / "caller.py").write_text(CALLER.format(package="fraud_system"))
    answers = []
    for step in (1, 10):
        (copy / "callee.py").write_text(CALLEE.format(step=step))
        done = subprocess.run(
            [sys.executable, "-c", "from fraud_system.caller import walk; print(walk(0))"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(elsewhere)},
            capture_output=True,
            text=True,
            check=True,
        )
        answers.append(int(done.stdout))
    assert answers == [1, 10]
    kept = list((elsewhere if sources == "read-only" else copy).rglob("compiled-*/**/*.nbi"))
    assert len(kept) == 4, "two functions, twice"
