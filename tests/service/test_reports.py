"""Drift reports on request: one at a time, bounded in time and number, files with headers of their own.

The children here are tiny programs, but for one test, which has the real service make a real report.
"""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from guarded import Guarded
from running import Running

from serving.problems import Problem
from serving.reports import KEPT, DriftReportAsked, Reports, TimeSpan, Windows, command

START = datetime(2025, 1, 1, tzinfo=UTC)
WRITES = """
import pathlib, sys
out = pathlib.Path(sys.argv[1])
out.mkdir()
(out / "drift.html").write_text("page")
(out / "drift.json").write_text("{}")
"""
HANGS = "import time; print('begun', flush=True); time.sleep(600)"
FAILS = "import sys; print('error: CURRENT: nothing there', file=sys.stderr); sys.exit(2)"
FALLS = "raise RuntimeError('/secret/path')"


def child(program: str) -> Callable[[Path, Windows, Path], list[str]]:
    return lambda ledger_file, windows, out: [sys.executable, "-c", program, str(out)]


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


async def finished(reports: Reports, report_id: str) -> str:
    while reports.state(report_id).status == "running":
        await asyncio.sleep(0.01)
    return reports.state(report_id).status


def test_one_is_made_at_a_time_and_the_newest_are_kept(tmp_path: Path) -> None:
    async def work() -> None:
        reports = Reports(tmp_path / "ledger.sqlite", 60.0, child(WRITES))
        for number in range(1, KEPT + 4):
            begun = reports.start(DriftReportAsked())
            assert (begun.id, begun.status) == (str(number), "running")
            with pytest.raises(Problem, match="is being made"):
                reports.start(DriftReportAsked())
            assert await finished(reports, begun.id) == "done"
        kept = [each.id for each in reports.states().reports]
        assert kept == [str(number) for number in range(KEPT + 3, 3, -1)]
        assert reports.file("11", "drift.html") == b"page"
        again = Reports(tmp_path / "ledger.sqlite", 60.0, child(WRITES))
        assert [each.id for each in again.states().reports] == kept
        assert again.start(DriftReportAsked()).id == str(KEPT + 4)
        await again.stop()

    run(work())


@pytest.mark.parametrize("name", ["0", "3", "-1", "01", "..", "1/../1", "9" * 5000, "\u0661", ""])
def test_a_name_that_is_none_is_not_found(tmp_path: Path, name: str) -> None:
    reports = Reports(tmp_path / "ledger.sqlite", 60.0)
    (tmp_path / "ledger.sqlite-reports" / "1").mkdir(parents=True)
    assert reports.state("1").status == "done"
    with pytest.raises(Problem, match="no such report"):
        reports.state(name)
    with pytest.raises(Problem, match="the report is done"):
        reports.file("1", "drift.html")


@pytest.mark.parametrize(
    ("program", "timeout_s", "words"),
    [
        (FAILS, 60.0, "CURRENT: nothing there"),
        (FALLS, 60.0, "its process ended with 1; the log has more"),
        (HANGS, 0.5, "took longer than 0.5 s and was ended"),
    ],
)
def test_what_fails_says_why_and_leaves_nothing(
    tmp_path: Path, program: str, timeout_s: float, words: str
) -> None:
    async def work() -> None:
        reports = Reports(tmp_path / "ledger.sqlite", timeout_s, child(program))
        assert await finished(reports, reports.start(DriftReportAsked()).id) == "failed"
        assert reports.state("1").problem == words
        assert reports.start(DriftReportAsked()).id == "2"
        await reports.stop()

    run(work())


def test_the_child_ends_with_the_scorer(tmp_path: Path) -> None:
    async def work() -> None:
        reports = Reports(tmp_path / "ledger.sqlite", 600.0, child(HANGS))
        reports.start(DriftReportAsked())
        await asyncio.sleep(0.2)
        await reports.stop()  # or this would hang

    run(work())


def test_windows_are_checked_before_anything_is_started(tmp_path: Path) -> None:
    reports = Reports(tmp_path / "ledger.sqlite", 60.0)

    def span(start: int, stop: int) -> TimeSpan:
        return TimeSpan(START + timedelta(start), START + timedelta(stop))

    with pytest.raises(Problem, match="ends before it begins"):
        reports.start(DriftReportAsked(current=span(5, 5)))
    with pytest.raises(Problem, match="overlaps"):
        reports.start(DriftReportAsked(span(0, 5), span(4, 9)))


def test_the_command_says_the_windows_as_they_were_asked(tmp_path: Path) -> None:
    seen: list[Windows] = []

    def note(ledger_file: Path, windows: Windows, out: Path) -> list[str]:
        seen.append(windows)
        return [sys.executable, "-c", "pass"]

    async def work() -> None:
        reports = Reports(tmp_path / "ledger.sqlite", 60.0, note)
        asked = b'{"current": {"from": "2025-02-01T00:00:00Z", "to": "2025-02-02T01:00:00+01:00"}}'
        begun = reports.start(msgspec.json.decode(asked, type=DriftReportAsked))
        await finished(reports, begun.id)

    run(work())
    words = command(Path("l.sqlite"), seen[0], Path("out"))
    assert words[3:] == [
        *("--ledger", "l.sqlite", "--out", "out"),
        "--current=2025-02-01T00:00:00Z..2025-02-02T00:00:00Z",
    ]


def test_the_real_service_makes_a_real_report(service: Running) -> None:
    for week in range(2):
        moment = (START + timedelta(days=600 + 7 * week)).strftime("%Y-%m-%dT%H:%M:%SZ")
        rows = [
            {
                "transaction_id": f"report-{week}-{number}",
                "event_time": moment,
                "amount": 10.0 * (1 + week * 50) + number % 7,
                "card": f"report-{number}",
                "terminal": "report-terminal",
            }
            for number in range(300)
        ]
        sent = service.client.post("/v1/score/batch", json=rows, headers={"Known-Time": moment})
        assert all("problem" not in each for each in sent.json()), sent.text[:500]
    # By the form of the page; the route of the API begins the same.
    form = {"content-type": "application/x-www-form-urlencoded", "origin": service.url}
    assert service.client.post("/drift-report", headers=form, content=b"").status_code == 303
    begun = service.client.get("/v1/reports").json()["reports"][0]["id"]
    again = service.client.post("/v1/admin/drift-report", json={})
    assert again.status_code == 409, "one at a time"
    status = f"/v1/reports/{begun}"
    done = service.wait_for(
        lambda: found if (found := service.client.get(status).json())["status"] != "running" else {}
    )
    assert done["status"] == "done", done
    figures = service.client.get(done["figures"]).json()
    words = {each["name"]: each["words"] for each in figures["windows"]}
    assert (done["reference"], done["current"]) == (words["reference"], words["current"])
    assert datetime.fromisoformat(done["made"]).tzinfo is not None
    assert {"log_amount", "amount"} <= {c["name"] for c in figures["columns"] if c["is_drifted"]}
    page = service.client.get(done["page"])
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith(
        "sandbox allow-scripts; default-src 'none'"
    )
    assert service.client.get(f"/reports/{begun}/other.html").status_code == 404
    shown = service.client.get("/").text
    assert f'href="{done["page"]}"' in shown
    assert f"{done['current']}, against {done['reference']}" in shown


def test_the_scorer_does_not_import_what_costs_seconds() -> None:
    program = "import serving.app, sys; print(sorted({'evidently', 'mlflow'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_session_of_the_page_may_read_reports_but_begin_none(guarded: Guarded) -> None:
    client, key = guarded.running.client, guarded.keys["read"]
    paths = ("/v1/reports", "/v1/reports/999999999", "/reports/999999999/drift.html")
    assert [client.get(path).status_code for path in paths] == [401, 401, 401]
    form = {"key": key}
    origin = {"origin": guarded.running.url}
    signed_in = client.post("/sign-in", data=form, headers=origin)
    cookie = {"cookie": signed_in.headers["set-cookie"].partition(";")[0]}
    assert [client.get(path, headers=cookie).status_code for path in paths] == [200, 404, 404]
    assert client.post("/v1/admin/drift-report", json={}, headers=cookie).status_code == 401
    reader = guarded.headers("read")
    assert client.post("/v1/admin/drift-report", json={}, headers=reader).status_code == 403
    client.cookies.clear()
