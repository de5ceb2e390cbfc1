"""What a decision rule does: its confusion matrix, and how it looks at another fraud rate.

Recall, specificity and what is made of these two do not change when fraud becomes rarer;
precision does. So precision is only given at a stated reference prevalence.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fraud_system.metrics.checks import (
    Floats,
    flags,
    floats,
    ratio,
    same_length,
    share,
    weights_or_ones,
)


@dataclass(frozen=True)
class Rates:
    """Rates and (weighted) counts of a rule. A rate whose class is absent is nan.

    Args:
        recall: share of frauds that are flagged (sensitivity, true positive rate).
        specificity: share of legitimate transactions that are not.
        balanced_accuracy: mean of the two; 0.5 for a coin.
        informedness: recall + specificity - 1 (Youden's J); 0 for a coin.
        positive_likelihood_ratio: recall / (1 - specificity): how much a flag multiplies the odds
            of fraud; infinite when there is no false alarm, nan when nothing is flagged.
        negative_likelihood_ratio: (1 - recall) / specificity: the same for no flag.
        precision_at_reference: share of frauds among flags if fraud had the reference prevalence;
            nan when nothing is flagged.
        flagged_share: share of all transactions that are flagged; moves with the fraud rate.
        true_positives, false_positives, true_negatives, false_negatives: sums of weights.
    """

    recall: float
    specificity: float
    balanced_accuracy: float
    informedness: float
    positive_likelihood_ratio: float
    negative_likelihood_ratio: float
    precision_at_reference: float
    flagged_share: float
    true_positives: float
    false_positives: float
    true_negatives: float
    false_negatives: float


def rates_at(
    flagged: ArrayLike,
    is_fraud: ArrayLike,
    weight: ArrayLike | None = None,
    reference_prevalence: float = 0.01,
) -> Rates:
    """The rates of a rule that flags some transactions.

    Args:
        flagged, is_fraud: (n,) bool.
        weight: (n,) importance weights, or None.
        reference_prevalence: fraud rate at which precision is given.

    Raises:
        DataError: a column or a setting is not usable.

    >>> rates = rates_at([True, True, False, False, False], [True, False, True, False, False])
    >>> rates.recall, round(rates.specificity, 3), round(rates.positive_likelihood_ratio, 3)
    (0.5, 0.667, 1.5)
    >>> round(rates.precision_at_reference, 4)  # odds 1/99 x 1.5
    0.0149
    """
    raised, labels = flags(flagged, "flagged"), flags(is_fraud, "is_fraud")
    weights = weights_or_ones(weight, len(raised))
    same_length(flagged=raised, is_fraud=labels, weight=weights)
    prior = share(reference_prevalence, "reference_prevalence")
    cell = np.bincount(2 * labels + raised, weights, minlength=4)
    true_negatives, false_positives, false_negatives, true_positives = (float(x) for x in cell)
    recall = ratio(true_positives, true_positives + false_negatives)
    legitimate = false_positives + true_negatives
    specificity, false_rate = ratio(true_negatives, legitimate), ratio(false_positives, legitimate)
    return Rates(
        recall=recall,
        specificity=specificity,
        balanced_accuracy=(recall + specificity) / 2.0,
        informedness=recall - false_rate,
        positive_likelihood_ratio=_odds_multiple(recall, false_rate),
        negative_likelihood_ratio=_odds_multiple(
            ratio(false_negatives, true_positives + false_negatives), specificity
        ),
        precision_at_reference=ratio(prior * recall, prior * recall + (1.0 - prior) * false_rate),
        flagged_share=ratio(true_positives + false_positives, cell.sum()),
        true_positives=true_positives,
        false_positives=false_positives,
        true_negatives=true_negatives,
        false_negatives=false_negatives,
    )


def rebase_probability(
    probability: ArrayLike, prevalence_from: float, prevalence_to: float
) -> Floats:
    """The probabilities had fraud another base rate and looked the same otherwise.

    Adds `logit(to) - logit(from)` to every logit (Elkan 2001, theorem 2). Recall at a fixed
    expected loss moves with the fraud rate; computed on probabilities re-based to one reference
    rate it does not.

    Args:
        probability: (n,) in [0, 1]; 0 and 1 stay.
        prevalence_from, prevalence_to: fraud rates, between 0 and 1.

    Raises:
        DataError: the column or a rate is not usable.

    >>> rebase_probability([0.5, 0.0, 1.0], 0.5, 0.01)
    array([0.01, 0.  , 1.  ])
    """
    chance = floats(probability, "probability", high=1.0)
    before, after = share(prevalence_from, "prevalence_from"), share(prevalence_to, "prevalence_to")
    fraud = chance * (after / before)
    legitimate = (1.0 - chance) * ((1.0 - after) / (1.0 - before))
    return fraud / (fraud + legitimate)


def _odds_multiple(above: float, below: float) -> float:
    if above > 0.0 and below == 0.0:
        return float("inf")
    return ratio(above, below)
