"""Switches by hand, and the monitor's process, in the whole service."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ledger_checks import check_recovery
from running import Running, running_service

from fraud_system.errors import ConfigError
from fraud_system.events import Health
from fraud_system.latency_summary import LatencySummary
from fraud_system.ledger import SqliteLedger
from fraud_system.switching import Switch
from serving.configuration import Configuration
from serving.key_file import SCOPES, add_key
from serving.service import Service


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    # Not the quick start: there workers are threads, and cannot be killed.
    folder = tmp_path_factory.mktemp("switching")
    with running_service(folder, clock="traffic") as service:
        yield service.wait_until_ready()


def score(service: Running, name: str) -> dict[str, Any]:
    known_time = service.client.get("/v1/model").json()["known_time"]
    sent = {"transaction_id": name, "event_time": known_time, "amount": 20.0}
    answer = service.client.post("/v1/score", json=sent | {"card": "c", "terminal": "t"})
    assert answer.status_code == 200, answer.text
    answered: dict[str, Any] = answer.json()
    return answered


def monitor(service: Running) -> dict[str, Any]:
    workers = service.client.get("/v1/model").json()["workers"]
    found: dict[str, Any] = workers["monitor"]
    return found


def wait_until_read(service: Running) -> None:
    service.wait_for(lambda: monitor(service)["alive"] and not monitor(service)["behind_events"])


def recorded(service: Running, seq: int) -> Switch:
    with SqliteLedger(service.ledger_file, read_only=True) as ledger:
        return Switch.from_table(ledger.frame_at(seq).tables["mode"])


def test_force_and_release_are_recorded_and_the_monitor_follows(own: Running) -> None:
    for mode, health, scorer in (
        ("heuristic", Health.FORCED, "heuristic"),
        ("model", Health.MODEL, "model"),
    ):
        reason = f"to {mode}, a drill"
        asked = {"mode": mode, "reason": reason}
        answer = own.client.post("/v1/admin/mode", json=asked)
        assert answer.status_code == 200, answer.text
        assert recorded(own, answer.json()["seq"]) == Switch(health, reason, by_hand=True)
        # Asked for once more it is no new switch.
        last_seq = own.client.get("/v1/model").json()["last_seq"]
        again = own.client.post("/v1/admin/mode", json=asked | {"reason": "once more"})
        assert (again.status_code, again.json()) == (200, answer.json())
        assert own.client.get("/v1/model").json()["last_seq"] == last_seq
        assert score(own, f"switching-{mode}")["scorer"] == scorer
        wait_until_read(own)
        # What the monitor has seen is on the page.
        own.wait_for(lambda reason=reason: reason in own.client.get("/").text)  # type: ignore[misc]


def test_how_fast_answers_were_is_recorded_and_the_monitor_reads_on(tmp_path: Path) -> None:
    with running_service(tmp_path, latency_every_s=0.1) as service:
        service.wait_until_ready()
        now = datetime.now(UTC).isoformat()
        for number in range(3):
            sent = {"transaction_id": f"t{number}", "event_time": now, "amount": 20.0}
            assert service.client.post("/v1/score", json=sent | {"card": "c"}).status_code == 200

        def summaries() -> list[LatencySummary]:
            with SqliteLedger(service.ledger_file, read_only=True) as ledger:
                frames = [each.tables for each in ledger.frames() if "latency" in each.tables]
            return [LatencySummary.from_table(tables["latency"]) for tables in frames]

        service.wait_for(lambda: sum(each.answers for each in summaries()) == 3)
        wait_until_read(service)
        assert service.stop() == 0
    check_recovery(service.ledger_file)


def test_a_switch_by_hand_has_an_author_and_is_known_after_a_restart(tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.json", "night-shift", SCOPES, time.time())
    headers = {"authorization": f"Bearer {key}"}
    asked = {"mode": "heuristic", "reason": "a drill"}
    variables: dict[str, Any] = {"demo": False, "api_keys_file": tmp_path / "keys.json"}
    with running_service(tmp_path, **variables) as service:
        service.wait_until_ready()
        form = {"sec-fetch-site": "same-origin"}
        answer = service.client.post("/mode", data=asked | {"key": key}, headers=form)
        assert answer.status_code == 303, answer.text
        made = service.client.post("/v1/admin/mode", json=asked, headers=headers).json()
        expected = Switch(Health.FORCED, "a drill", by_hand=True, evidence="by key night-shift")
        assert recorded(service, made["seq"]) == expected
        assert service.stop() == 0, service.log
        assert key not in service.log
    with running_service(tmp_path, **variables) as service:
        service.wait_until_ready()

        def again() -> dict[str, Any]:
            answer = service.client.post("/v1/admin/mode", json=asked, headers=headers)
            return dict(answer.json())

        # From the monitors, once they have read it: what the ledger holds is not read for it.
        service.wait_for(lambda: again()["seq"] is not None)
        assert again() == made
        sign_in = service.client.post("/sign-in", data={"key": key}, headers=form)
        cookie = {"cookie": sign_in.headers["set-cookie"].partition(";")[0]}
        page = service.client.get("/", headers=cookie).text
        assert "a drill, by key night-shift" in page


def test_without_its_monitor_the_scorer_answers_and_says_so(own: Running) -> None:
    wait_until_read(own)
    (pid,) = [each for each in children(own.process.pid) if "serving.workers.monitor" in each[1]]
    restarts = monitor(own)["restarts"]
    os.kill(pid[0], signal.SIGKILL)
    assert score(own, "switching-alone")["scorer"] == "model"
    own.wait_for(lambda: not monitor(own)["alive"] or monitor(own)["restarts"] > restarts)
    assert 'fraud_worker_alive{worker="monitor"}' in own.client.get("/metrics").text
    own.wait_for(lambda: monitor(own)["restarts"] > restarts)
    wait_until_read(own)


def children(parent: int) -> list[tuple[int, str]]:
    """Processes that a process started, and theirs, with their command lines."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            status = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            line = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it ended meanwhile
        if int(status[1]) == parent:
            found += [(int(folder.name), line), *children(int(folder.name))]
    return found


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("calibraton/*", "did you mean 'calibration'"),
        ("calibration", "write monitor/subject"),
        ("sanity/scores*,", "write monitor/subject"),
        ("sanity/size of wieghts", "did you mean 'size of weights'"),
        ("calibration/count", "calibration tells nothing of 'count'"),
        ("staleness/*", "no monitor is called 'staleness'"),
    ],
)
def test_a_wrong_pattern_is_named(given: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        Configuration(demo=True, switching=given)
    assert error.value.field == "FRAUD_SWITCHING"
    assert words in str(error.value)


def test_a_wrong_feature_and_a_wrong_setting_end_the_start(tmp_path: Path) -> None:
    given: dict[str, Any] = {"demo": True, "ledger_file": tmp_path / "ledger.sqlite"}
    Service(Configuration(**given, switching="feature_shift/log_amount*"))
    with pytest.raises(ConfigError, match="tells nothing of 'amuont'"):
        Service(Configuration(**given, switching="feature_shift/amuont"))
    (tmp_path / "monitors.toml").write_text("[shift]\nweaks = 3\n")
    with pytest.raises(ConfigError, match=r"shift\.weaks: no such setting"):
        Service(Configuration(**given, monitors_file=tmp_path / "monitors.toml"))


def test_the_monitor_has_the_settings_of_the_file(tmp_path: Path) -> None:
    """A budget that no answer can keep: an alarm, where the defaults see none."""
    (tmp_path / "monitors.toml").write_text("[latency]\nbudget_us = 0.001\n")
    variables = {"latency_every_s": 0.1, "monitors_file": tmp_path / "monitors.toml"}
    with running_service(tmp_path, clock="traffic", **variables) as service:
        service.wait_until_ready()
        score(service, "slow")
        alarm = 'fraud_findings{level="alarm"} 1.0'
        service.wait_for(lambda: alarm in service.client.get("/metrics").text)
