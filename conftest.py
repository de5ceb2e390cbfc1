"""What every test and doctest follows.

A test that needs a program asks for it with the `require_program` fixture. Where the program is missing
the test is skipped in one line that names it; with REQUIRE_ALL=1, as CI runs the tests, that and every
other skip is a failure. No test fails by the clock: hypothesis's deadline is off.
"""

import os
import shutil
from collections.abc import Callable, Generator
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")


@pytest.fixture(scope="session")
def require_program() -> Callable[[str], str]:
    """Path of a program on PATH; without it the test is skipped, or fails with REQUIRE_ALL=1."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not on PATH")
        return path

    return find


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """With REQUIRE_ALL=1 a skipped test is a failed one."""
    report = yield
    return _skip_is_failure(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """With REQUIRE_ALL=1 a skipped module is a failed one."""
    report = yield
    return _skip_is_failure(report)


def _skip_is_failure(report: Any) -> Any:
    expected = hasattr(report, "wasxfail")
    if os.environ.get("REQUIRE_ALL") == "1" and report.outcome == "skipped" and not expected:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: with REQUIRE_ALL=1 nothing may be skipped. {why}"
    return report


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """The same id in every process, also for an object whose repr is its address."""
    return argname if " at 0x" in repr(val) else None
