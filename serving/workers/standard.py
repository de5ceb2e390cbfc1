"""The workers that every scorer has, as the supervisor is told of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitoring.switching_patterns import SWITCHING, text_of
from serving.workers.life import WorkerSpec
from serving.workers.silence import SILENT_AFTER_S, STALE_AFTER_S


def learner(
    ledger: Path,
    settings: Path,
    *,
    poll_interval_s: float = 0.2,
    snapshot_every_events: int = 200_000,
    stale_after_s: float = STALE_AFTER_S,
) -> WorkerSpec:
    """Learns and proposes weights.

    Args:
        ledger: the scorer's, which must exist.
        settings: its settings, as `running.write_settings` leaves them.
        poll_interval_s: how long it waits when there is nothing to read.
        snapshot_every_events: how far a restarted learner has to go back at most.
        stale_after_s: it is shown as stale when it has said nothing for so long.
    """
    # A frame can resolve 65,536 labels, and a model of thousands of terms takes minutes for them.
    arguments = _arguments("learner", ledger, settings, poll_interval_s, snapshot_every_events)
    return WorkerSpec(
        "learner", arguments, silent_after_s=SILENT_AFTER_S, stale_after_s=stale_after_s
    )


def snapshotter(
    ledger: Path,
    settings: Path,
    *,
    poll_interval_s: float = 2.0,
    snapshot_every_events: int = 200_000,
) -> WorkerSpec:
    """Saves snapshots of the engine; the arguments are those of `learner`.

    It says nothing while it reads a tail, so it is given more time than others.
    """
    arguments = _arguments("snapshotter", ledger, settings, poll_interval_s, snapshot_every_events)
    return WorkerSpec("snapshotter", arguments, silent_after_s=600.0, stale_after_s=450.0)


def monitor(
    ledger: Path,
    settings: Path,
    *,
    poll_interval_s: float = 0.5,
    snapshot_every_events: int = 200_000,
    stale_after_s: float = STALE_AFTER_S,
    switching: str = text_of(SWITCHING),
    monitors: Mapping[str, Any] | None = None,
) -> WorkerSpec:
    """Watches, and proposes switches; the other arguments are those of `learner`.

    Args:
        switching: which monitors may switch (see `monitoring.switching_patterns`).
        monitors: what of their settings differs from the defaults (see `monitoring.settings_file`).
    """
    arguments = _arguments("monitor", ledger, settings, poll_interval_s, snapshot_every_events)
    return WorkerSpec(
        "monitor",
        (*arguments, "--switching", switching, "--monitors", json.dumps(monitors or {})),
        silent_after_s=SILENT_AFTER_S,
        stale_after_s=stale_after_s,
    )


def _arguments(
    name: str, ledger: Path, settings: Path, poll_interval_s: float, snapshot_every_events: int
) -> tuple[str, ...]:
    return (
        *("-m", f"serving.workers.{name}"),
        *("--ledger", str(ledger), "--settings", str(settings)),
        *("--poll-interval-s", str(poll_interval_s)),
        *("--snapshot-every-events", str(snapshot_every_events)),
    )
