"""What others propose to the engine: weights, a switch, how fast answers were. Where it is recorded it holds.

A proposal that comes too late, or while the ledger cannot be written, is void: whoever made it makes the
next one of what the ledger says by then.
"""

import logging

from fraud_system.engine import Engine
from fraud_system.errors import ArtefactError, FraudSystemError
from fraud_system.events import Frame, Health
from fraud_system.publication import Publication
from fraud_system.switching import Switch
from serving.engine_task import EngineTask
from serving.telemetry import Telemetry
from serving.workers.messages import ModeProposed

LOGGER = logging.getLogger(__name__)


async def adopt(publication: Publication, task: EngineTask, telemetry: Telemetry) -> None:
    """Weights that the learner proposes."""
    if publication.version <= task.engine.weights_version:
        return  # a learner that has just started offers what it has
    try:
        await task.waiting.change(lambda engine: engine.adopt(publication))
    except FraudSystemError as error:
        # A champion came first, or the ledger cannot be written: the next ones will do.
        telemetry.failed(error)
        LOGGER.warning("weights version %s not adopted: %s", publication.version, error)


async def switch(proposed: ModeProposed, task: EngineTask, telemetry: Telemetry) -> None:
    """A switch that the monitor proposes; it is void if the state has changed meanwhile."""
    before, after = Health[proposed.from_health.upper()], Health[proposed.to_health.upper()]
    wanted = Switch(after, proposed.reason, evidence=proposed.evidence)

    def change(engine: Engine) -> Frame:
        if engine.health != before:
            raise ArtefactError(
                f"the state is {engine.health.name.lower()} by now", field="from_health"
            )
        return engine.switch(wanted)

    if task.engine.health != before:
        return  # said again before the monitor had read of the switch
    try:
        await task.waiting.change(change)
    except FraudSystemError as error:
        telemetry.failed(error)
        LOGGER.warning("switch to %s not made: %s", proposed.to_health, error)
    else:
        LOGGER.warning("switched to %s: %s", proposed.to_health, proposed.reason)


async def record_latency(task: EngineTask, telemetry: Telemetry) -> None:
    """For the monitors, which know of time only what the ledger says."""
    summary = telemetry.summary()
    if summary is None:
        return
    try:
        await task.waiting.change(lambda engine: engine.measured(summary))
    except FraudSystemError as error:
        telemetry.failed(error)  # the next one will do
