"""The figures of one model on a set of folds, with intervals that resample cards.

Ranking (ROC AUC, average precision, card precision@100) is scored as the book does: fold by fold, on the
cards not yet known to be compromised, and averaged. Log loss and expected / observed are over all
transactions of the test weeks together: a calibrated model must be right on compromised cards too.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fraud_system.metrics import average_precision, roc_auc
from pipelines.evaluation.cards import row_loss
from pipelines.handbook.protocol import (
    CARDS_A_DAY,
    FoldScores,
    FoldSet,
    Scored,
    fold_scores,
    in_test_weeks,
    scored_rows,
)

DRAWS = 200
TAILS = (0.025, 0.975)
RANKING = ("roc_auc", "average_precision", "card_precision_100")
WHOLE_WEEKS = ("log_loss", "expected_over_observed")


@dataclass(frozen=True)
class Figure:
    """A value with what is known of its uncertainty.

    Args:
        value: the figure.
        low, high: 95 % interval, cards resampled; None where the book gives none.
        spread: standard deviation over the folds; None for a single fold, or where there are no folds.
    """

    value: float
    low: float | None = None
    high: float | None = None
    spread: float | None = None


@dataclass(frozen=True)
class Figures:
    """Of one model.

    Args:
        mean: over the folds, and of the whole weeks.
        first_fold: of the first fold alone.
        resampled: (draws,) the values of `mean` in each resample of the cards; none where there are none.
        paired: the run's own model less this one, over the same resamples; see `paired_with`.
    """

    mean: dict[str, Figure]
    first_fold: dict[str, Figure]
    resampled: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    paired: dict[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class _Day:
    """The cards of one test day in falling order of score: their code, and whether one was defrauded."""

    card: NDArray[np.int64]
    hit: NDArray[np.bool_]


@dataclass(frozen=True)
class _Fold:
    """One fold, sorted so that each resample costs no sort."""

    probability: NDArray[np.float64]
    is_fraud: NDArray[np.bool_]
    card: NDArray[np.int64]
    days: list[_Day]


def figures_of(folds: FoldSet, scored: Scored, name: str, draws: int = DRAWS) -> Figures:
    """Every figure of one model, with intervals.

    Args:
        folds: which weeks.
        scored: the stream, with the model's probabilities in the test weeks.
        name: of the model, for the progress bar.
        draws: resamples of the cards. The same cards are drawn for every model.
    """
    rows = [scored_rows(start, scored.day, scored.card, scored.is_fraud) for start in folds.starts]
    point = np.array([_triple(fold_scores(each, scored)) for each in rows])
    prepared = [_prepared(each, scored) for each in rows]
    cards = int(scored.card.max()) + 1
    sums = _sums_by_card(folds, scored, cards)
    generator = np.random.default_rng(0)
    ranking = np.empty((draws, len(rows), len(RANKING)))
    whole = np.empty((draws, len(WHOLE_WEEKS)))
    for draw in tqdm(range(draws), desc=name, unit=" resamples", leave=False, disable=None):
        times = np.bincount(generator.integers(0, cards, cards), minlength=cards).astype(float)
        ranking[draw] = [_resampled(fold, times) for fold in prepared]
        whole[draw] = _over_whole_weeks(sums @ times)
    values = _over_whole_weeks(sums.sum(axis=1))
    spread = point.std(axis=0, ddof=1) if len(rows) > 1 else np.full(len(RANKING), np.nan)
    mean = {
        figure: Figure(float(point[:, place].mean()), *_ends(ranking[:, :, place].mean(axis=1)),
                       float(spread[place]))
        for place, figure in enumerate(RANKING)
    }  # fmt: skip
    mean |= {
        figure: Figure(float(values[place]), *_ends(whole[:, place]))
        for place, figure in enumerate(WHOLE_WEEKS)
    }
    first = {
        figure: Figure(float(point[0, place]), *_ends(ranking[:, 0, place]))
        for place, figure in enumerate(RANKING)
    }
    resampled = {name: ranking[:, :, place].mean(axis=1) for place, name in enumerate(RANKING)}
    resampled |= {name: whole[:, place] for place, name in enumerate(WHOLE_WEEKS)}
    return Figures(mean, first, resampled)


def paired_with(own: Figures, other: Figures) -> Figures:
    """`other` with the differences to `own`, whose intervals take both from the same resamples.

    Two models agree on most transactions, so the differences are surer than the figures themselves.

    >>> one = Figures({"roc_auc": Figure(0.75)}, {}, {"roc_auc": np.array([0.5, 0.75])})
    >>> two = Figures({"roc_auc": Figure(0.5)}, {}, {"roc_auc": np.array([0.25, 0.5])})
    >>> paired_with(one, two).paired["roc_auc"]
    Figure(value=0.25, low=0.25, high=0.25, spread=None)
    """
    return replace(
        other,
        paired={
            name: Figure(
                own.mean[name].value - other.mean[name].value,
                *_ends(own.resampled[name] - other.resampled[name]),
            )
            for name in other.resampled
        },
    )


def resampled_card_precision(days: list[_Day], times: NDArray[np.float64]) -> float:
    """Card precision@100 if each card were there so many times; hits leave the following days.

    The budget may end inside the copies of one card: then only those within it count.

    >>> week = [_Day(np.array([0, 1]), np.array([True, False]))]
    >>> resampled_card_precision(week, np.array([250.0, 1.0]))
    1.0
    >>> resampled_card_precision(week, np.array([30.0, 100.0]))
    0.3
    """
    found = np.zeros(len(times), dtype=bool)
    shares = []
    for day in days:
        left = ~found[day.card]
        card, hit = day.card[left], day.hit[left]
        before = np.cumsum(times[card]) - times[card]
        taken = np.clip(CARDS_A_DAY - before, 0.0, times[card])
        shares.append(taken[hit].sum() / CARDS_A_DAY)
        found[card[hit & (taken > 0.0)]] = True
    return float(np.mean(shares))


def _resampled(fold: _Fold, times: NDArray[np.float64]) -> tuple[float, float, float]:
    weight = times[fold.card]
    return (
        roc_auc(fold.probability, fold.is_fraud, weight),
        average_precision(fold.probability, fold.is_fraud, weight),
        resampled_card_precision(fold.days, times),
    )


def _prepared(rows: NDArray[np.int64], scored: Scored) -> _Fold:
    order = rows[np.argsort(scored.probability[rows], kind="stable")]
    day = scored.day[order]
    return _Fold(
        scored.probability[order],
        scored.is_fraud[order],
        scored.card[order],
        [_day(order[day == each], scored) for each in np.unique(day)],
    )


def _day(rows: NDArray[np.int64], scored: Scored) -> _Day:
    """Of rows in rising order of probability: each card by its last, largest one."""
    card = scored.card[rows][::-1]
    codes, first = np.unique(card, return_index=True)
    hit = np.isin(codes, np.unique(scored.card[rows][scored.is_fraud[rows]]))
    best = scored.probability[rows][::-1][first]
    order = np.argsort(-best, kind="stable")  # equal scores go by card code, as in the metric
    return _Day(codes[order], hit[order])


def _sums_by_card(folds: FoldSet, scored: Scored, cards: int) -> NDArray[np.float64]:
    """(4, cards): loss, expected frauds, frauds and transactions of each card in the test weeks."""
    weeks = in_test_weeks(folds, scored.day)
    card, p, y = scored.card[weeks], scored.probability[weeks], scored.is_fraud[weeks]
    columns = (row_loss(p, y), p, y.astype(float), np.ones(len(y)))
    return np.stack([np.bincount(card, column, minlength=cards) for column in columns])


def _triple(scores: FoldScores) -> tuple[float, float, float]:
    return scores.roc_auc, scores.average_precision, scores.card_precision_100


def _over_whole_weeks(totals: NDArray[np.float64]) -> tuple[float, float]:
    """Log loss, and expected over observed frauds; nan where none was observed."""
    loss, expected, observed, number = totals.tolist()
    return loss / number, expected / observed if observed else float("nan")


def _ends(drawn: NDArray[np.float64]) -> tuple[float, float]:
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return float("nan"), float("nan")
    low, high = np.quantile(drawn, TAILS, method="inverted_cdf")
    return float(low), float(high)
