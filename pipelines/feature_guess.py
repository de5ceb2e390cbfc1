"""Which of the remaining columns are features, and which are better left out: guesses with reasons.

The dangerous ones are those that know the answer: the kind of the fraud, a flag that somebody set after the
report, the date of the chargeback. A model that may read them looks perfect, and is useless for the next
payment. So a column is left out when its name speaks of fraud, or when it tells the label of the sample
better than an honest column would. That is a guess in both directions: a person has to look.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from fraud_system.metrics.discrimination import roc_auc
from pipelines.choice import Choice
from pipelines.column_profile import Profile
from pipelines.column_words import ANSWER_WORDS, CODE_WORDS, has, is_id_name

MOST_CATEGORIES = 100
MOST_CODES = 20
MOST_NUMERIC = 64
MOST_CATEGORICAL = 8
# What a column has to reach to be taken for a part of the answer.
GIVEN_AWAY = 0.9
RECALL = 0.5
NEAR_COPY_AUC = 0.99
FEWEST_FRAUDS = 5
QUESTION = "is it part of the answer, known only after the payment?"
# Beyond this rank correlation with the event time a number is taken for another clock.
CLOCK = 0.99
FEWEST_FOR_CLOCK = 30


@dataclass(frozen=True)
class Features:
    """The columns that are no role: each in exactly one of the lists, in the order of the file."""

    numeric: tuple[Choice, ...]
    categorical: tuple[Choice, ...]
    left_out: tuple[Choice, ...]


def guess_features(
    profiles: Sequence[Profile], label: Profile | None, event: Profile | None
) -> Features:
    """Sort the remaining columns.

    Args:
        profiles: of the remaining columns.
        label: the column of 0 and 1, if there is one.
        event: the event time.
    """
    is_fraud = np.zeros(0, dtype=bool) if label is None else label.numbers == 1.0
    numeric: list[Choice] = []
    categorical: list[Choice] = []
    left_out: list[Choice] = []
    for each in profiles:
        reason = _answer(each, is_fraud) or _why_not(each) or _clock(each, event)
        into, why = (left_out, reason) if reason else _use(each, numeric, categorical, left_out)
        into.append(Choice(each.name, why))
    return Features(tuple(numeric), tuple(categorical), tuple(left_out))


def _use(
    each: Profile, numeric: list[Choice], categorical: list[Choice], left_out: list[Choice]
) -> tuple[list[Choice], str]:
    """The list for a column that nothing speaks against, and the reason."""
    few = f"{each.distinct} different values"
    is_code = each.kind == "whole" and has(each.words, CODE_WORDS) and each.distinct <= MOST_CODES
    if each.kind == "text" or is_code:
        if len(categorical) >= MOST_CATEGORICAL:
            return (
                left_out,
                f"{few}: could be categorical, but {MOST_CATEGORICAL} were found before it",
            )
        return categorical, few + (": numbers that look like codes" if is_code else "")
    if len(numeric) >= MOST_NUMERIC:
        return left_out, f"a number, but {MOST_NUMERIC} were found before it"
    if each.kind == "flag":
        return numeric, "0 and 1"
    low, high = np.nanmin(each.numbers), np.nanmax(each.numbers)
    also = "; could be categorical" if each.distinct <= MOST_CODES else ""
    return numeric, f"{low:g} to {high:g}{also}"


def _why_not(each: Profile) -> str | None:
    """What speaks against a column, whatever the label."""
    if each.kind == "other":
        return "values of a type that is not read here"
    if each.kind == "empty":
        return "no value in the rows looked at"
    if has(each.words, ANSWER_WORDS):
        return f"its name: {QUESTION}"
    if each.distinct == 1:
        return f"always {each.examples[0]} in the rows looked at"
    if each.kind == "time":
        return "a second time; no feature is made of it"
    if each.kind == "text" and each.distinct > MOST_CATEGORIES:
        return f"{each.distinct} different texts: could be an entity, or categorical"
    if each.kind == "whole" and each.distinct > MOST_CODES:
        if is_id_name(each.words):
            return f"{each.distinct} different numbers that identify something: could be an entity"
        if has(each.words, CODE_WORDS):
            return f"{each.distinct} different numbers that look like codes: could be categorical"
    return None


def _answer(each: Profile, is_fraud: NDArray[np.bool_]) -> str | None:
    """Does the column tell the label of the sample?"""
    frauds = int(is_fraud.sum())
    if frauds < FEWEST_FRAUDS or frauds == len(is_fraud):
        return None
    filled = each.codes >= 0
    groups = {"that it is filled at all": filled.astype(np.int64)}
    if each.distinct <= MOST_CATEGORIES:
        groups["its value"] = each.codes + 1
    for what, group in groups.items():
        size = np.bincount(group)
        of_fraud = np.bincount(group[is_fraud], minlength=len(size))
        giving = (of_fraud >= GIVEN_AWAY * size) & (of_fraud >= 3)
        told = int(of_fraud[giving].sum())
        if told >= RECALL * frauds:
            return f"{what} gives {told} of {frauds} frauds away: {QUESTION}"
    if each.kind in ("whole", "number"):
        known = ~np.isnan(each.numbers)
        area = roc_auc(_ranks(each.numbers[known]), is_fraud[known])
        if max(area, 1 - area) >= NEAR_COPY_AUC and int(is_fraud[known].sum()) >= FEWEST_FRAUDS:
            return f"it tells frauds apart with an AUC of {max(area, 1 - area):.3f}: {QUESTION}"
    return None


def _clock(each: Profile, event: Profile | None) -> str | None:
    """Does a number only count the time?"""
    if event is None or each.kind not in ("whole", "number"):
        return None
    both = ~(np.isnan(each.numbers) | np.isnan(event.numbers))
    different = min(len(np.unique(column.numbers[both])) for column in (each, event))
    if different < 2 or both.sum() < FEWEST_FOR_CLOCK:
        return None
    together = float(spearmanr(each.numbers[both], event.numbers[both]).statistic)
    if abs(together) < CLOCK:
        return None
    return "it goes up or down with the event time: the model would learn the date by heart"


def _ranks(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers as probabilities in the same order, for the AUC."""
    _, place = np.unique(numbers, return_inverse=True)
    return place / max(1, len(numbers))
