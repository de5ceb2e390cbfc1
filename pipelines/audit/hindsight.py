"""A second opinion about each label, from all that is known today: cross-fitted, so out of sample.

The served probability was made before the label, but also before the neighbours' labels. Here a logistic
regression (scikit-learn) learns which transactions are labelled as fraud from

- the log odds that were served, and the log odds of the last weights;
- the terms of the model: features as logged, and their products;
- how many other transactions of the card and of the terminal there are within hours to weeks, before and
  after, and how many of those are labelled as fraud;
- the same terms once more for each stretch of the stream, because fraudsters change their ways.

Each label is judged by a regression that was fitted without it (five folds), as Northcutt, Jiang and Chuang
(2021, "Confident Learning") ask for. What this adds to the served probability is in docs/label-noise.md.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fraud_system.events import DAY_US, Column
from pipelines.audit.evidence import Evidence, terms
from pipelines.audit.neighbours import others_within

Floats = NDArray[np.float64]

ENTITIES = ("card", "terminal")
WINDOWS_DAYS = (0.1, 1.0, 7.0, 30.0)
FOLDS = 5
FEWEST_OF_A_CLASS = 2 * FOLDS
STRETCH_DAYS = 30.0
MOST_STRETCHES = 8
LEGITIMATE_IN_A_FIT = 30_000
INVERSE_PENALTY = 0.01  # of standardised columns; much smaller or larger was no better
LEAST = 1e-9


def hindsight_probability(evidence: Evidence, rng: np.random.Generator) -> Floats:
    """(n,) probability that each transaction is labelled as fraud, judged without its own label.

    Where a class has fewer than `FEWEST_OF_A_CLASS` labels, nothing can be fitted, and it is the served
    probability; so it is for transactions without a label.

    Args:
        evidence: of a run.
        rng: deals the folds and chooses which legitimate rows a fit reads, if there are very many.
    """
    probability = evidence.predictions["probability"].to_numpy(np.float64).copy()
    rows, is_fraud = np.flatnonzero(evidence.labelled), evidence.is_fraud[evidence.labelled]
    if min(is_fraud.sum(), (~is_fraud).sum()) < FEWEST_OF_A_CLASS:
        return probability
    known = neighbour_columns(evidence.predictions, evidence.is_fraud)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))
    for fit, judged in folds.split(rows, is_fraud):
        legitimate, fraud = fit[~is_fraud[fit]], fit[is_fraud[fit]]
        read = rng.permutation(legitimate)[:LEGITIMATE_IN_A_FIT]
        chosen = np.sort(np.concatenate([fraud, read]))
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=INVERSE_PENALTY, max_iter=500, tol=1e-3)
        )
        model.fit(hindsight_columns(evidence, known, rows[chosen]), is_fraud[chosen])
        # Fewer legitimate rows raise the log odds by just this much (King and Zeng 2001).
        shift = np.log(len(read) / len(legitimate))
        for part in _parts(rows[judged]):
            log_odds = model.decision_function(hindsight_columns(evidence, known, part))
            probability[part] = expit(log_odds + shift)
    return probability


def hindsight_columns(evidence: Evidence, known: Floats, rows: Column) -> Floats:
    """What the regression reads of these rows; see the head of this file.

    Args:
        evidence: of a run.
        known: (n, ...) `neighbour_columns` of all rows.
        rows: (m,) which.
    """
    table = evidence.predictions
    served = table["probability"].to_numpy(np.float64)[rows]
    last = evidence.publications[max(evidence.publications)]
    term = terms(last, evidence.settings, evidence.features[rows])
    opinion = np.column_stack(
        [
            logit(np.clip(served, LEAST, 1.0 - LEAST)),
            term @ last.weight + last.intercept[0],
            term,
        ]
    )
    time_us = time_us_of(table)
    length_us = max(STRETCH_DAYS * DAY_US, np.ptp(time_us) / MOST_STRETCHES)
    stretch = (time_us - time_us.min()) // int(length_us)
    own = [opinion * (stretch[rows] == each)[:, None] for each in range(stretch.max() + 1)]
    return np.hstack([opinion, known[rows], *own])


def neighbour_columns(table: pd.DataFrame, is_fraud: Column) -> Floats:
    """(n, 3 x entities x windows): other frauds, others, and the share of frauds, as logs."""
    time_us = time_us_of(table)
    columns = [np.zeros((len(table), 0))]
    for name in ENTITIES:
        if name not in table:
            continue
        code = pd.factorize(table[name])[0]
        for days in WINDOWS_DAYS:
            others, frauds = others_within(code, time_us, is_fraud, days)
            share = np.log((frauds + 0.1) / (others + 10.0))
            columns += [np.column_stack([np.log1p(frauds), np.log1p(others), share])]
    return np.hstack(columns)


def time_us_of(table: pd.DataFrame) -> Column:
    """(n,) int64 microseconds since 1970 of `event_time`."""
    return table["event_time"].to_numpy().astype("datetime64[us]").astype(np.int64)


def _parts(rows: Column) -> Iterator[Column]:
    """Few at a time: the scaled copy of all columns would be large."""
    for start in range(0, len(rows), LEGITIMATE_IN_A_FIT):
        yield rows[start : start + LEGITIMATE_IN_A_FIT]
