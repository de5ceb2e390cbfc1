"""Demo traffic against the service itself, which is killed in the middle."""

import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
from running import GUARD_S, ROOT, Running, running_service
from warm_parent import WarmParent

from fraud_system.ledger import SqliteLedger
from fraud_system.schema import SOURCES
from serving.demo_traffic.story import Story

DAYS, SEED = 1, 4


def last_seq(service: Running) -> int:
    return int(service.client.get("/v1/model").json()["last_seq"])


def test_two_kills_in_the_middle_lose_nothing_and_double_nothing(
    tmp_path: Path, warm: WarmParent
) -> None:
    with running_service(tmp_path, warm.start, clock="traffic") as service:
        service.wait_until_ready()
        begun_seq = last_seq(service)
        port = httpx.URL(service.url).port
        words = f"--url {service.url} --days {DAYS} --seed {SEED} --batch 4 --all-reports"
        traffic = subprocess.Popen(
            [sys.executable, "-m", "serving.demo_traffic", *words.split()],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            service.wait_for(lambda: last_seq(service) > begun_seq + 300)
            service.kill()
            with running_service(tmp_path, warm.start, clock="traffic", port=port) as second:
                second.wait_until_ready()
                assert traffic.poll() is None, traffic.communicate()
                second.wait_for(lambda: last_seq(second) > begun_seq + 1_200)
                second.kill()
            with running_service(tmp_path, warm.start, clock="traffic", port=port) as third:
                told, said = traffic.communicate(timeout=GUARD_S)
                assert traffic.returncode == 0, said
                third.stop()
        finally:
            traffic.kill()
            traffic.communicate()

    story = Story(DAYS, SEED, all_reports=True)
    transactions = [row for each in story.requests(1000) for row in each.transactions]
    labels = [row for each in story.requests(1000) for row in each.labels]
    assert len(labels) > 3
    with SqliteLedger(tmp_path / "ledger.sqlite", read_only=True) as ledger:
        tables = [frame.tables for frame in ledger.frames()]
    stored = {
        name: np.concatenate([each[table][name] for each in tables if table in each])
        for table, names in (("transaction", ("transaction_id", "amount")), ("label", ("source",)))
        for name in names
    }
    amounts = {row["transaction_id"].encode(): row["amount"] for row in transactions}
    assert len(stored["transaction_id"]) == len(amounts) == len(transactions)
    assert dict(zip(stored["transaction_id"].tolist(), stored["amount"].tolist(), strict=True)) == (
        amounts
    )
    assert sorted(SOURCES[each] for each in stored["source"]) == sorted(
        each.source for each in labels
    )
    assert f"{len(transactions):,}" in told
    assert "sent again" in told
    assert told.split("unanswered")[1].split()[0] == "0"
