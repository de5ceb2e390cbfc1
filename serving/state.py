"""The scorer's state, for `/v1/model` and `/metrics`: one reading, two forms."""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric

from fraud_system.events import SECOND_US
from serving.columns import time_of
from serving.telemetry import Histogram
from serving.wire import ModelState, WorkerState

if TYPE_CHECKING:
    from serving.service import Service


KEYS_BROKEN = (
    "the file of API keys cannot be used; the keys that were read last go on working,"
    " also those revoked since"
)


def model_state(service: "Service") -> ModelState:
    """What answers now.

    Raises:
        Problem: the service is starting.
    """
    task, configuration = service.task, service.configuration
    engine, settings = task.engine, service.system.settings
    silence_s = engine.label_silence_s()
    workers = {
        name: WorkerState(
            status.alive,
            status.restarts,
            status.heard_s,
            max(0, engine.last_seq - status.read_through_seq),
            dict(status.figures),
            status.last_error,
            status.stale,
        )
        for name, status in service.workers().items()
    }
    now_us = max(service.clock.now_us(), engine.known_time_us)
    return ModelState(
        mode=engine.mode.name.lower(),  # type: ignore[arg-type]
        kind=settings.model.kind,
        weights_version=engine.weights_version,
        weights_age_s=(now_us - task.in_force.adopted_us) / SECOND_US,
        known_time=time_of(engine.known_time_us),
        last_seq=engine.last_seq,
        clock=configuration.clock,
        idempotency_horizon_s=settings.labels.horizon_s,
        settings=settings.fingerprint,
        features=len(settings.features.names),
        interactions=len(settings.features.pairs),
        labels=engine.label_counts(),
        label_silence_s=silence_s if math.isfinite(silence_s) else None,
        learner_stale=_stale(workers.get("learner")),
        workers=workers,
        memory_bytes=engine.memory_bytes(),
        api_keys_broken=service.door.trouble is not None,
    )


def metrics_text(service: "Service") -> bytes:
    """The Prometheus exposition, text format."""
    registry = CollectorRegistry()
    registry.register(_Collector(service))
    return generate_latest(registry)


def troubles(service: "Service") -> dict[str, str]:
    """What an operator should hear of at once and the monitors do not see; in words, by name."""
    found = {}
    broken = service.task.broken
    if broken is not None:
        found["ledger_unwritable"] = f"nothing is answered: {type(broken).__name__}"
    if service.door.trouble is not None:
        found["api_keys_broken"] = KEYS_BROKEN
    state = model_state(service)
    for name, words in (
        ("learner", "weights grow old"),
        ("monitor", "nobody watches the model"),
    ):
        worker = state.workers.get(name)
        if _stale(worker):
            is_silent = worker is not None and worker.alive
            found[f"{name}_stale"] = f"it {'is silent' if is_silent else 'does not run'}: {words}"
    return found


def _stale(worker: WorkerState | None) -> bool:
    return worker is None or worker.stale


class _Collector:
    """Reads the service at each scrape, so that requests pay for additions only."""

    def __init__(self, service: "Service") -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Every family, with its help."""
        yield _gauge("ready", "1 when transactions are answered", float(self._service.ready))
        broken = float(self._service.door.trouble is not None)
        yield _gauge("api_keys_file_broken", "1 while the keys read last go on working", broken)
        yield from self._counted()
        if self._service.ready:
            yield from self._read(model_state(self._service))

    def _counted(self) -> Iterator[Metric]:
        telemetry = self._service.telemetry
        decisions = CounterMetricFamily(
            "fraud_decisions", "transactions decided", labels=["scorer", "action"]
        )
        for (scorer, action), count in sorted(telemetry.decisions.items()):
            decisions.add_metric([scorer, action], count)
        yield decisions
        answers = CounterMetricFamily("fraud_answers", "HTTP answers", labels=["route", "status"])
        for (route, status), count in sorted(telemetry.answers.items()):
            answers.add_metric([route, str(status)], count)
        yield answers
        for name, words, label, counts in (
            ("refused_transactions", "transactions refused", "reason", telemetry.refused),
            ("labels", "reports taken", "outcome", telemetry.labels),
            ("failures", "errors that an operator should look at", "error", telemetry.failures),
            ("alerts", "to the webhook", "outcome", telemetry.alerts),
        ):
            family = CounterMetricFamily(f"fraud_{name}", words, labels=[label])
            for value, count in sorted(counts.items()):
                family.add_metric([value], count)
            yield family
        totals: tuple[tuple[str, str, float], ...] = (
            ("repeated", "requests answered from the record", telemetry.repeated),
            ("expected_loss", "sum of expected losses", telemetry.expected_loss),
            (
                "expected_loss_prevented",
                "expected losses of what was not approved",
                telemetry.expected_loss_prevented,
            ),
        )
        for name, words, total in totals:
            yield CounterMetricFamily(f"fraud_{name}", words, value=total)
        yield _histogram(
            "latency_seconds", "single transactions, from waiting to answered", telemetry.latency
        )
        yield _histogram("commit_seconds", "durable commits", telemetry.commits)

    def _watched(self) -> Iterator[Metric]:
        """What the monitors say, and what of it is on its way."""
        view, alerts = self._service.view, self._service.alerts
        family = GaugeMetricFamily("fraud_findings", "of the monitors, now", labels=["level"])
        for level in ("warning", "alarm"):
            found = 0 if view is None else sum(each.level == level for each in view.findings)
            family.add_metric([level], found)
        yield family
        waiting = 0 if alerts is None else alerts.waiting
        yield _gauge("alerts_waiting", "for delivery", waiting)

    def _read(self, state: ModelState) -> Iterator[Metric]:
        yield _gauge("heuristic_answers", "1 while plan B answers", float(state.mode != "model"))
        yield _gauge("weights_version", "of the weights in force", state.weights_version)
        yield _gauge("weights_age_seconds", "since their adoption", state.weights_age_s)
        yield _gauge("ledger_last_seq", "of the newest event", state.last_seq)
        yield _gauge("engine_memory_bytes", "of the engine's state", state.memory_bytes)
        yield _gauge("waiting_rows", "rows being answered", self._service.task.waiting.rows)
        bound = self._service.configuration.max_waiting_rows
        yield _gauge("waiting_rows_bound", "beyond, requests are refused", bound)
        yield from self._watched()
        yield _gauge("learner_stale", "1 when weights may be old", float(state.learner_stale))
        silence = math.inf if state.label_silence_s is None else state.label_silence_s
        yield _gauge("label_silence_seconds", "since the last report", silence)
        info = InfoMetricFamily("fraud_model", "of what answers")
        info.add_metric([], {"kind": state.kind, "settings": state.settings[:12]})
        yield info
        picks: tuple[tuple[str, str, Callable[[WorkerState], float]], ...] = (
            ("worker_alive", "1 while its process runs", lambda each: float(each.alive)),
            (
                "worker_stale",
                "1 when it does not run or is silent",
                lambda each: float(each.stale),
            ),
            ("worker_restarts", "since the start", lambda each: each.restarts),
            (
                "worker_behind_events",
                "of the ledger, not read yet",
                lambda each: each.behind_events,
            ),
        )
        for name, words, pick in picks:
            family = GaugeMetricFamily(f"fraud_{name}", words, labels=["worker"])
            for worker, each in sorted(state.workers.items()):
                family.add_metric([worker], pick(each))
            yield family


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"fraud_{name}", words, value=value)


def _histogram(name: str, words: str, counted: Histogram) -> HistogramMetricFamily:
    bounds = [*(str(bound) for bound in counted.bounds_s), "+Inf"]
    family = HistogramMetricFamily(f"fraud_{name}", words)
    family.add_metric([], list(zip(bounds, counted.cumulative(), strict=True)), counted.total_s)
    return family
