"""The overseer is a fold: snapshot and tail give what reading everything gives, and its switches replay."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from streams import simulated_arrivals, simulated_settings

from benchmarks.drill.plant import Plant
from fraud_system import replay
from fraud_system.events import Frame, Health
from fraud_system.ledger import MemoryLedger
from fraud_system.merged_frames import joined
from fraud_system.settings import Settings
from fraud_system.switching import Switch
from monitoring.health import HealthSettings, Proposal
from monitoring.overseer import SNAPSHOT, Overseer, recover_overseer
from monitoring.probation import ProbationSettings
from monitoring.sanity import SanitySettings
from monitoring.settings import MonitorSettings
from monitoring.view_of_overseer import view_of

# Young weights turn, so that there are alarms, and a probation is over in minutes.
MONITORS = MonitorSettings(
    sanity=SanitySettings(settled_versions=1, direction_alarm=0.97, direction_warning=0.98)
)
HEALTH = HealthSettings(
    quiet_s=600.0,
    hold_s=1_200.0,
    probation=ProbationSettings(
        least_s=600.0, least_transactions=20, least_reports=0.1, passing_log_ratio=0.01
    ),
)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return replace(simulated_settings(), publish_every_labels=60)


@pytest.fixture(scope="module")
def plant(settings: Settings) -> Plant:
    plant = Plant(settings, MONITORS, HEALTH)
    stream = simulated_arrivals()
    # Without the tick at the end: it comes after a silence that is longer than the horizon.
    for batch in stream.rows(0, len(stream) - 1).batches(40):
        plant.feed(batch)
    return plant


def states(plant: Plant) -> list[Health]:
    frames = [frame for frame in plant.ledger.frames() if "mode" in frame.tables]
    return [Switch.from_table(frame.tables["mode"]).health for frame in frames]


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name], equal_nan=first[name].dtype.kind == "f")
        for name in first
    )


def test_it_switches_here_and_back(plant: Plant) -> None:
    assert set(states(plant)) >= {Health.HEURISTIC, Health.PROBATION}
    assert len(states(plant)) >= 3


def test_a_ledger_with_its_switches_verifies(plant: Plant, settings: Settings) -> None:
    assert list(replay.verify(settings, plant.ledger))[-1] == plant.ledger.last_seq


def test_who_reads_the_ledger_later_proposes_the_same(plant: Plant, settings: Settings) -> None:
    reader = Overseer(MONITORS, HEALTH, settings)
    proposed = [each for frame in plant.ledger.frames() for each in reader.fold(frame)]
    assert same(reader.to_arrays(), plant.overseer.to_arrays())
    made = [each.switch for each in proposed]
    recorded = [f.tables["mode"] for f in plant.ledger.frames() if "mode" in f.tables]
    assert all(Switch.from_table(table) in made for table in recorded)


@pytest.mark.parametrize("share", [0.1, 0.45, 0.8])
def test_snapshot_and_tail_are_the_whole(plant: Plant, settings: Settings, share: float) -> None:
    ledger, proposals = MemoryLedger(), dict[int, list[Proposal]]()
    first = Overseer(MONITORS, HEALTH, settings)
    frames = list(plant.ledger.frames())
    ledger.append(frames)
    stop = round(share * len(frames))
    for frame in frames[:stop]:
        first.fold(frame)
    ledger.save_snapshot(SNAPSHOT, first.read_through_seq, first.to_arrays())
    second = recover_overseer(MONITORS, HEALTH, settings, ledger)
    assert second.read_through_seq == first.read_through_seq > 0
    assert view_of(second) == view_of(first)
    for frame in frames[stop:]:
        proposals[frame.first_seq] = first.fold(frame)
        assert second.fold(frame) == proposals[frame.first_seq]
    assert same(second.to_arrays(), plant.overseer.to_arrays())


def test_a_snapshot_of_other_settings_is_passed_over(plant: Plant, settings: Settings) -> None:
    ledger = MemoryLedger()
    ledger.append(list(plant.ledger.frames()))
    ledger.save_snapshot(SNAPSHOT, plant.ledger.last_seq, plant.overseer.to_arrays())
    assert recover_overseer(MonitorSettings(), HEALTH, settings, ledger).read_through_seq == 0


def test_cutting_changes_nothing_but_the_moment_of_a_proposal(
    plant: Plant, settings: Settings
) -> None:
    reader = Overseer(MONITORS, HEALTH, settings)
    for frame in larger(plant.ledger.frames()):
        reader.fold(frame)
    assert same(_without_proposals(reader), _without_proposals(plant.overseer))


def larger(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The same events, in as few frames as publications and switches allow."""
    held: list[Frame] = []
    for frame in frames:
        if {"mode", "published"} & frame.tables.keys():
            yield from _as_one(held)
            yield frame
            held = []
        else:
            held.append(frame)
    yield from _as_one(held)


def _as_one(frames: list[Frame]) -> list[Frame]:
    if not frames:
        return []
    last = frames[-1]
    tables = joined(frames)
    return [Frame(frames[0].first_seq, last.last_seq, last.known_time_us, tables)]


def _without_proposals(overseer: Overseer) -> dict[str, Any]:
    arrays = overseer.to_arrays()
    described = json.loads(arrays["health.switch"].tobytes())
    del described["proposed"]
    return arrays | {"health.switch": np.array([json.dumps(described)])}
