"""The block update that `fraud_system/models/gaussian.py` describes, literally and slowly."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit


def learn_blocks(mean, prior, rows, curve, target, keep, block_labels):
    """Mean and whole precision after all full blocks of rows, from the prior N(mean, diag(1 / prior)).

    Rows that fill no block are left out.
    """
    precision = np.diag(prior)
    full = len(rows) - len(rows) % block_labels
    for start in range(0, full, block_labels):
        some = slice(start, start + block_labels)
        mean, precision = learn_block(
            mean, precision, prior, rows[some], curve[some], target[some], keep
        )
    return mean, precision


def learn_block(mean, precision, prior, rows, curve, target, keep):
    """One of them."""
    for _ in range(int((curve > 0.0).sum())):
        precision = keep * precision + (1.0 - keep) * np.diag(prior)
    probability = expit(rows @ mean)
    information = sum(
        c * p * (1.0 - p) * np.outer(x, x) for c, p, x in zip(curve, probability, rows, strict=True)
    )
    hessian = precision + information
    step = -np.linalg.solve(hessian, rows.T @ (curve * probability - target))

    def slope(length):
        """Of the block's losses and the Gaussian before it, along the step."""
        here = mean + length * step
        by_labels = rows.T @ (curve * expit(rows @ here) - target)
        return step @ (precision @ (here - mean) + by_labels)

    most = 1.0
    while slope(most) < 0.0:
        most *= 2.0
    length = brentq(slope, 0.0, most, xtol=1e-15, rtol=1e-14) if step.any() else 0.0
    return mean + length * step, hessian


def symmetric(upper):
    """The whole matrix of an upper triangle."""
    return np.triu(upper) + np.triu(upper, 1).T
