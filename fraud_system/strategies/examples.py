"""What a strategy hands to the models, and what can be done with it on the way.

Every stage takes examples and gives examples. They are applied in the order noise, importance, sampling;
the first two are linear in both terms, so theirs does not matter.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fraud_system.compiled import compiled
from fraud_system.keys import uniform

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SAMPLING_SEED = np.uint64(0x5A3C)


@dataclass(frozen=True)
class Examples:
    """Transactions to learn, in order.

    The loss of each is `curve * softplus(logit) - target * logit`: (1, 0) is a legitimate transaction,
    (1, 1) a fraud; (0, 1) adds to one that was learned as legitimate what makes it a fraud, and (0, -1)
    takes that back.

    Un-learning goes as far as a linear term allows. The gradients of (0, 1) and (0, -1) are the same
    vector with opposite signs, whatever the weights are by then, so in the sum of all losses a reversed
    fraud is a legitimate transaction, exactly. The weights are not brought back to where they would be:
    the second step is shorter than the first (AdaGrad), the scaler has moved, and what was learned in
    between was learned from other weights. That fades as anything else that was learned once.

    Args:
        ordinal: (n,) int64, which transaction.
        curve, target: (n,) float64.
    """

    ordinal: Ints
    curve: Floats
    target: Floats

    def only(self, chosen: NDArray[np.bool_]) -> "Examples":
        """Those where `chosen` (n,)."""
        return Examples(self.ordinal[chosen], self.curve[chosen], self.target[chosen])


def corrected_for_noise(
    examples: Examples, false_fraud_share: float, missed_fraud_share: float
) -> Examples:
    """Unbiased for the true labels where a known share of them is wrong.

    The method of unbiased estimators of Natarajan et al. 2013 (lemma 1). The log loss is linear in the
    label, so it comes to another label: `(y - a) / (1 - a - b)` for a share `a` of legitimate transactions
    that are reported as fraud, and a share `b` of frauds that are not. The price is variance.

    >>> given = Examples(np.arange(3), np.array([1.0, 1.0, 0.0]), np.array([0.0, 1.0, 1.0]))
    >>> corrected_for_noise(given, 0.1, 0.4).target
    array([-0.2,  1.8,  2. ])
    """
    if false_fraud_share == missed_fraud_share == 0.0:
        return examples
    right = 1.0 - false_fraud_share - missed_fraud_share
    target = (examples.target - false_fraud_share * examples.curve) / right
    return Examples(examples.ordinal, examples.curve, target)


def weighted(examples: Examples, propensity: Floats, weight_cap: float) -> Examples:
    """Each example counts for all the transactions whose labels cannot be seen: 1 / propensity times.

    Args:
        examples: as learned so far.
        propensity: (n,) in (0, 1], the chance that its transaction had of a label.
        weight_cap: the largest weight. It trades variance for bias: what is rarer than 1 / weight_cap
            counts for less than it stands for.

    >>> given = Examples(np.arange(3), np.ones(3), np.array([0.0, 1.0, 0.0]))
    >>> weighted(given, np.array([1.0, 0.5, 0.01]), weight_cap=20.0).curve
    array([ 1.,  2., 20.])
    """
    weight = np.minimum(1.0 / propensity, weight_cap)
    return Examples(examples.ordinal, examples.curve * weight, examples.target * weight)


def sampled(examples: Examples, key: NDArray[np.uint64], keep_legitimate: float) -> Examples:
    """A share of the legitimate transactions and all frauds, chosen by a hash of the transaction.

    A model of these has the odds of fraud divided by `keep_legitimate`: `logit_shift` is what its
    intercept needs, and its weights are right as they are. Whether a transaction is a fraud may not be
    known yet: the first term of one that is not kept is dropped, and comes with the second if that
    comes. (One that is taken back after that has been learned as a kept legitimate one.)

    Args:
        examples: as learned so far.
        key: (n,) uint64 of their transactions.
        keep_legitimate: share in (0, 1].
    """
    if keep_legitimate == 1.0:
        return examples
    kept = _chance(key) < keep_legitimate
    comes_apart = ~kept & (examples.curve == 0.0) & (examples.target > 0.0)
    curve = np.where(comes_apart, examples.target, examples.curve)
    stay = kept | (examples.target != 0.0)
    return Examples(examples.ordinal[stay], curve[stay], examples.target[stay])


def logit_shift(keep_legitimate: float) -> float:
    """What is added to the log odds of a model of `sampled` examples.

    >>> logit_shift(1.0), round(logit_shift(0.1), 3)
    (0.0, -2.303)
    """
    return math.log(keep_legitimate)


@compiled
def _chance(key: NDArray[np.uint64]) -> Floats:
    chance = np.empty(len(key))
    for row in range(len(key)):
        chance[row] = uniform(SAMPLING_SEED, key[row])
    return chance
