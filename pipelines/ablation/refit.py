"""Learn a logged stream anew: what another choice of features and settings would have answered.

The very learner learns, and the very engine scores, block by block from publication to publication; only
counters and joiner are not run again. So the probabilities are those that a complete replay under these
settings serves, bit for bit (tests/replay/test_ablation_refit.py).
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fraud_system.engine import Engine
from fraud_system.errors import ConfigError
from fraud_system.events import Frame, Table
from fraud_system.learner import Learner
from fraud_system.settings import Settings
from pipelines.ablation.logged_stream import LoggedStream


def answered(logged: LoggedStream, settings: Settings) -> NDArray[np.float64]:
    """(n,) the model's probability of each transaction as it would have been served; nan where none.

    Args:
        logged: features among which are those of `settings`.
        settings: the clocks of labels must be those under which the stream was folded. The rules of the
            heuristic are left out: they may read features that are.

    Raises:
        ConfigError: a feature was not logged.
    """
    settings = replace(settings, rules=())
    columns = _columns(logged, settings)
    engine, learner = Engine(settings), Learner(settings)
    engine.adopt(learner.first_publication())
    rows, labels = len(logged.rows), len(logged.taken_before)
    probability = np.empty(rows)
    start = 0
    for first in range(0, labels, settings.publish_every_labels):
        last = min(first + settings.publish_every_labels, labels)
        stop = int(logged.taken_before[last - 1])
        decisions = engine.score(logged.rows[start:stop, columns])
        probability[start:stop] = decisions["probability_model"]
        frame = _frame(logged, slice(start, stop), slice(first, last), decisions)
        for publication in learner.fold(frame):
            engine.adopt(publication)
        start = stop
    last_rows = logged.rows[start:, columns]
    probability[start:] = engine.score(last_rows)["probability_model"]
    return probability


def _columns(logged: LoggedStream, settings: Settings) -> NDArray[np.int64]:
    place = {name: column for column, name in enumerate(logged.names)}
    strange = [name for name in settings.features.names if name not in place]
    if strange:
        raise ConfigError(f"{strange[0]} was not logged", field="features", fix="fold it as well")
    return np.array([place[name] for name in settings.features.names], np.int64)


def _frame(logged: LoggedStream, transactions: slice, labels: slice, decisions: Table) -> Frame:
    """From one publication to the next: as the learner would find it in the ledger."""
    tables = {"resolved": {name: column[labels] for name, column in logged.resolved.items()}}
    if transactions.stop > transactions.start:
        tables["transaction"] = {
            name: column[transactions] for name, column in logged.transactions.items()
        }
        tables["decision"] = decisions
    last_seq, known_us = (int(tables["resolved"][name][-1]) for name in ("seq", "known_time_us"))
    return Frame(0, last_seq, known_us, tables)
