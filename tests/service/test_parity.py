"""What was served over HTTP is what an offline replay of the ledger gives, bit for bit, and what river gives.

Single transactions, JSON and Arrow batches and reports are mixed, and weights are published meanwhile.
"""

import copy
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hard_load import schema_file
from ledger_checks import check_recovery
from running import Running, running_service
from streams import MODELS
from warm_parent import WarmParent

from fraud_system.engine import Engine
from fraud_system.events import Scorer
from fraud_system.learner import Learner
from fraud_system.ledger import Ledger, SqliteLedger
from fraud_system.settings import Settings
from pipelines.system_settings import read_schema, settings_of
from serving.client import FraudClient
from serving.wire import Decision
from serving.workers.running import write_settings

ROUNDS, ROUND = 24, timedelta(hours=3)
TIMES = pa.timestamp("us", "UTC")


def transactions(draw: random.Random, now: datetime, names: list[str]) -> list[dict[str, Any]]:
    """Some with an unknown channel, or none."""
    return [
        {
            "transaction_id": name,
            "event_time": now - timedelta(seconds=draw.randint(0, 600)),
            "amount": round(draw.lognormvariate(3.0, 1.2), 2),
            "card": f"card-{draw.randint(1, 40)}",
            "terminal": f"terminal-{draw.randint(1, 12)}",
            "channel": draw.choice(["online", "store", None]),
        }
        for name in names
    ]


def served(service: Running) -> dict[str, float]:
    """Probability of each transaction, as answered."""
    draw, answers = random.Random(7), dict[str, float]()
    with FraudClient(service.url) as client:
        now = client.model().known_time
        for number in range(ROUNDS):
            now += ROUND
            names = [f"{number}-{each}" for each in range(60)]
            rows = transactions(draw, now, names)
            for row in rows[:5]:
                answers[row["transaction_id"]] = client.score(row, known_time=now).probability
            for decision in client.score_batch(rows[5:25], known_time=now):
                assert isinstance(decision, Decision)
                answers[decision.transaction_id] = decision.probability
            columns = {name: [row[name] for row in rows[25:]] for name in rows[0]}
            columns["event_time"] = pa.array(columns["event_time"], TIMES)
            table = client.score_table(pa.table(columns), known_time=now)
            answers.update(zip(names[25:], table["probability"].to_pylist(), strict=True))
            reports = [
                {"transaction_id": name, "is_fraud": True, "source": "chargeback"}
                for name in draw.sample(names, 8)
            ]
            client.label_many(reports, known_time=now + timedelta(minutes=1))
            if number % 8 == 7:  # and the learner's process need not be fast
                service.wait_for(lambda least=number // 8: client.model().weights_version > least)
    return answers


def replayed(settings: Settings, ledger: Ledger) -> Iterator[tuple[str, float, float]]:
    """(transaction, probability, river's) of every decision by the model, from the inputs alone."""
    engine, learner = Engine(settings), Learner(settings)
    learner.first_publication()
    names = settings.features.names
    pipelines = {0: copy.deepcopy(learner.model)}
    for frame in ledger.frames():
        for again in engine.refold(frame):
            if "decision" not in again.tables:
                continue
            decision = again.tables["decision"]
            assert (decision["scorer"] == Scorer.MODEL).all()
            for row, version in enumerate(decision["weights_version"].tolist()):
                features = decision["features"][row].astype(np.float64)
                known = dict(zip(names, features.tolist(), strict=True))
                known = {name: value for name, value in known.items() if value == value}
                rivers = pipelines[version].predict_proba_one(known)[True]
                name = again.tables["transaction"]["transaction_id"][row].decode()
                yield name, float(decision["probability"][row]), rivers
        for publication in learner.fold(frame):
            pipelines[publication.version] = copy.deepcopy(learner.model)


@pytest.mark.parametrize("kind", ["laplace", "baseline"])
def test_served_probabilities_are_those_of_a_replay_and_of_river(
    tmp_path: Path, warm: WarmParent, kind: str
) -> None:
    ledger_file, schema_path = tmp_path / "ledger.sqlite", schema_file(tmp_path)
    settings = replace(settings_of(read_schema(schema_path), tmp_path), model=MODELS[kind])
    assert not settings.recalibration.enabled
    write_settings(Path(f"{ledger_file}-settings.json"), settings)
    SqliteLedger(ledger_file).close()
    with running_service(tmp_path, warm.start, schema_file=schema_path, clock="traffic") as service:
        service.wait_until_ready()
        answers = served(service)
        assert service.stop() == 0, service.log
    with SqliteLedger(ledger_file, read_only=True) as ledger:
        found = list(replayed(settings, ledger))
    assert {name: probability for name, probability, _ in found} == answers
    for name, probability, rivers in found:
        assert probability == pytest.approx(rivers, rel=0.0, abs=1e-9), name
    assert len({probability for _, probability, _ in found}) > 500
    check_recovery(ledger_file)
