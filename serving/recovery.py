"""The engine at the end of a ledger, without a learner."""

from fraud_system.engine import Engine
from fraud_system.ledger import Ledger
from fraud_system.settings import Settings


def recover_engine(settings: Settings, ledger: Ledger) -> Engine:
    """To be replaced by `replay.recover_engine`."""
    engine = Engine(settings)
    for frame in ledger.frames(engine.last_seq):
        engine.refold(frame)
    return engine
