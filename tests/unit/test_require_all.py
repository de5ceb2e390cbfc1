"""The rule of `conftest.py`: with REQUIRE_ALL=1 nothing is skipped in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[2] / "conftest.py"
TESTS = """
import pytest
def test_needs_a_program(require_program):
    require_program("a-program-that-nobody-has")
def test_has_its_program(require_program):
    assert require_program("sh").endswith("sh")
@pytest.mark.xfail(reason="known", strict=True)
def test_known_failure():
    assert False
"""
SKIPPED_MODULE = 'import pytest\npytest.skip("all of it", allow_module_level=True)\n'


@pytest.mark.parametrize(
    ("required", "module", "expected"),
    [
        ("", TESTS, "1 passed, 1 skipped, 1 xfailed"),
        ("1", TESTS, "1 failed, 1 passed, 1 xfailed"),
        ("1", SKIPPED_MODULE, "1 error"),
    ],
)
def test_skips_are_failures_where_all_is_required(
    tmp_path: Path, required: str, module: str, expected: str
) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text(encoding="utf-8"))
    (tmp_path / "test_some.py").write_text(module)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", str(tmp_path)]
    done = subprocess.run(
        command,
        env=os.environ | {"REQUIRE_ALL": required},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert expected in done.stdout
    if module == TESTS:
        assert "a-program-that-nobody-has is not on PATH" in done.stdout
