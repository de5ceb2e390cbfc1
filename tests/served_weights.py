"""What the engine would serve of a river pipeline, for tests that score without an engine."""

import numpy as np

from fraud_system.models.fast_forward import read_state
from fraud_system.models.pipeline import parts
from fraud_system.models.scoring import Served


def served_of(model, names):
    """What the engine would serve of a pipeline's state."""
    state = read_state(model, names)
    return Served(
        mean=state.mean,
        deviation=np.sqrt(state.variance),
        weight=state.weight,
        intercept=state.intercept,
        left=state.left,
        right=state.right,
        squash_limit=np.array([parts(model)[1].limit]),
        recalibration=np.array([0.0, 1.0]),
        rule_feature=np.zeros((0, 4), np.int64),
        rule_above=np.zeros((0, 4), np.bool_),
        rule_threshold=np.zeros((0, 4)),
        rates=np.full(2, 0.01),
    )
