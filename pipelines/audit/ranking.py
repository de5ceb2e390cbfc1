"""All labels in one list, the most suspicious first: cleanlab's label quality scores.

The quality of a label is the probability of what it says ("self-confidence"): p for fraud, 1 - p for
legitimate. No label is dropped or changed; to rank them is all that happens here.
"""

import numpy as np
import pandas as pd
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray

from pipelines.audit.evidence import Evidence


def label_quality(is_fraud: NDArray[np.bool_], probability: NDArray[np.float64]) -> pd.Series:
    """(n,) quality of each label, 0 (surely wrong) to 1.

    Args:
        is_fraud: (n,) the labels.
        probability: (n,) of fraud, made without the label.

    >>> label_quality(np.array([True, False]), np.array([0.125, 0.25])).tolist()
    [0.125, 0.75]
    """
    both = np.column_stack([1.0 - probability, probability])
    return pd.Series(get_label_quality_scores(is_fraud.astype(np.int64), both))


def ranked_labels(
    evidence: Evidence, hindsight: NDArray[np.float64], top: int | None = None
) -> pd.DataFrame:
    """Every label once, the least credible first; equal ones in ledger order.

    Args:
        evidence: of a run.
        hindsight: (n,) see `hindsight_probability`.
        top: only so many, or None for all.

    Returns:
        A table whose index is the row of the transaction, with `rank` from 1 and the columns of
        docs/label-noise.md, without the reasons.
    """
    rows = np.flatnonzero(evidence.labelled)
    table = evidence.predictions
    if len(rows) == 0:
        quality = np.zeros(0)
    else:
        quality = label_quality(evidence.is_fraud[rows], hindsight[rows]).to_numpy()
    order = np.argsort(quality, kind="stable")[:top]
    chosen = rows[order]
    said = np.where(evidence.is_fraud[chosen], "fraud", "legitimate")
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(chosen) + 1),
            "transaction_id": table["transaction_id"].to_numpy()[chosen],
            "event_time": table["event_time"].to_numpy()[chosen],
            "amount": table["amount"].to_numpy()[chosen],
            "label": pd.array(said, dtype="str"),
            "label_source": table["label_source"].to_numpy()[chosen],
            "label_time": table["label_time"].to_numpy()[chosen],
            "probability_served": table["probability"].to_numpy()[chosen],
            "probability_hindsight": hindsight[chosen],
            "label_quality": quality[order],
        },
        index=chosen,
    )
