"""The engine that a start waits for: code loaded, ledger read, weights in force."""

import numpy as np

from fraud_system.engine import Engine
from fraud_system.errors import ArtefactError, ConfigError, ReplayMismatch
from fraud_system.events import Arrivals
from fraud_system.frames import empty_tables
from fraud_system.ledger import Ledger
from fraud_system.recovery import recover_engine
from fraud_system.settings import Settings
from serving.warm_up import load_code


def ready_engine(settings: Settings, ledger: Ledger, now_us: int) -> Engine:
    """The engine at the end of the ledger, with weights in force; an empty ledger is begun at `now_us`.

    Raises:
        ConfigError: the ledger was begun with other settings.
        ReplayMismatch, LedgerError: it cannot be continued here.
    """
    load_code(settings)
    try:
        engine = recover_engine(settings, ledger)
    except (ArtefactError, ReplayMismatch) as error:
        if isinstance(error, ArtefactError) or isinstance(error.__cause__, ArtefactError):
            raise ConfigError(
                f"the ledger was begun with other settings than those beside it: {error.problem}",
                field="settings",
                fix="put back the file that it was begun with; each backup has a copy",
            ) from error
        raise
    if engine.weights_version < 0:
        start_us = np.array([max(now_us, engine.known_time_us)])
        tick = engine.fold(Arrivals.merge(*empty_tables(settings.features), start_us)).frame
        # Here, as it brings river, which only a new ledger needs: half of the time of a start.
        from fraud_system.learner import Learner

        adopted = engine.adopt(Learner(settings).first_publication())
        ledger.append([frame for frame in (tick, adopted) if frame is not None])
    return engine
