"""What a variant's probabilities are worth beside those with everything: paired, so that little data decides.

Two settings that answer the same transactions differ far less than either's figure is uncertain. So the
interval is that of the difference: cards are resampled whole, and each resample weighs both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fraud_system.metrics import average_precision, roc_auc
from fraud_system.metrics.proper import CLIP
from pipelines.evaluation.cards import Bootstrap, per, sums_by_card
from pipelines.handbook.protocol import FoldSet, Scored, fold_scores, scored_rows

Floats = NDArray[np.float64]
RANKING_DRAWS = 100


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Scene:
    """One stream, and what of it is scored.

    Args:
        name: of the stream.
        card: (n,) int64 codes from 0.
        is_fraud: (n,) bool, the truth.
        chance: (n,) what the loss and expected / observed are taken against: the truth as 0 or 1, or the
            chance with which a simulator drew it, which says the same with less noise.
        counted: (n,) bool, whose loss counts.
        day: (n,) days since 1970.
        folds: whose ranking is scored by the Handbook's protocol; None ranks all that count, together.
    """

    name: str
    card: NDArray[np.int64]
    is_fraud: NDArray[np.bool_]
    chance: Floats
    counted: NDArray[np.bool_]
    day: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    folds: FoldSet | None = None


@dataclass(frozen=True)
class Worth:
    """Of one variant, over all scenes.

    Args:
        log_loss: nats a transaction.
        loss_added: log loss less that of everything, nats a transaction.
        worse_in: scenes in which the loss is larger.
        ranking: `roc_auc`, `average_precision` and on folds `card_precision_100`: means over the scenes.
        precision_added: average precision less that of everything; None where there are no folds.
        expected_over_observed: with its own interval.
    """

    log_loss: float
    loss_added: Interval
    worse_in: int
    ranking: dict[str, float]
    precision_added: Interval | None
    expected_over_observed: Interval


class Comparison:
    """Everything's probabilities on some scenes; each variant is held against them.

    Args:
        scenes: what is scored.
        everything: (n,) probabilities in each scene.
        bootstrap: of the cards; those of different scenes are different cards.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        everything: Sequence[Floats],
        bootstrap: Bootstrap | None = None,
    ) -> None:
        self.scenes, self.bootstrap = scenes, bootstrap or Bootstrap(draws=1_000)
        self._loss = [_row_loss(*each) for each in zip(everything, scenes, strict=True)]
        self._rows = [_fold_rows(scene) for scene in scenes]
        self._drawn = self._resampled_precision(everything)
        self._precision = self._ranking(everything)["average_precision"]

    def worth(self, answered: Sequence[Floats]) -> Worth:
        """The figures of a variant with these probabilities, (n,) in each scene."""
        parts = []
        for scene, probability, before in zip(self.scenes, answered, self._loss, strict=True):
            loss, counted = _row_loss(probability, scene), scene.counted
            columns = {
                "rows": np.ones(len(loss)),
                "loss": loss,
                "added": loss - before,
                "expected": probability[counted],
                "observed": scene.chance[counted],
            }
            parts.append(sums_by_card(columns, scene.card[counted]))
        sums = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        found = self.bootstrap.figures(
            {
                "loss": lambda s: per(s["loss"], s["rows"]),
                "added": lambda s: per(s["added"], s["rows"]),
                "ratio": lambda s: per(s["expected"], s["observed"]),
            },
            sums,
        )
        ranking = self._ranking(answered)
        drawn = self._resampled_precision(answered)
        added = None
        if len(drawn):
            low, high = np.quantile(drawn - self._drawn, (0.025, 0.975), method="inverted_cdf")
            value = ranking["average_precision"] - self._precision
            added = Interval(value, float(low), float(high))
        return Worth(
            log_loss=found["loss"]["value"],
            loss_added=Interval(**found["added"]),
            worse_in=sum(bool(part["added"].sum() > 0.0) for part in parts),
            ranking=ranking,
            precision_added=added,
            expected_over_observed=Interval(**found["ratio"]),
        )

    def _ranking(self, answered: Sequence[Floats]) -> dict[str, float]:
        each: dict[str, list[float]] = {}
        for scene, rows, probability in zip(self.scenes, self._rows, answered, strict=True):
            for fold in rows:
                for name, value in _ranking_of(scene, fold, probability).items():
                    each.setdefault(name, []).append(value)
        return {name: float(np.mean(values)) for name, values in each.items()}

    def _resampled_precision(self, answered: Sequence[Floats]) -> Floats:
        """(RANKING_DRAWS,) mean average precision of the folds; the same cards are drawn each time."""
        if any(scene.folds is None for scene in self.scenes):
            return np.zeros(0)
        generator = np.random.default_rng(self.bootstrap.seed)
        drawn = np.zeros(RANKING_DRAWS)
        folds = sum(map(len, self._rows))
        for scene, rows, probability in zip(self.scenes, self._rows, answered, strict=True):
            orders = [fold[np.argsort(probability[fold], kind="stable")] for fold in rows]
            cards = int(scene.card.max()) + 1
            for draw in range(RANKING_DRAWS):
                picked = generator.integers(0, cards, cards)
                times = np.bincount(picked, minlength=cards).astype(np.float64)
                for order in orders:
                    p, y, weight = (
                        probability[order],
                        scene.is_fraud[order],
                        times[scene.card[order]],
                    )
                    drawn[draw] += average_precision(p, y, weight) / folds
        return drawn


def _row_loss(probability: Floats, scene: Scene) -> Floats:
    """Cross entropy of each row that counts, against its chance.

    >>> even, sure = np.array([0.5, 0.25]), np.array([1.0, 0.25])
    >>> scene = Scene("two", np.zeros(2, int), sure > 0.5, sure, np.array([True, True]))
    >>> _row_loss(even, scene).round(4)
    array([0.6931, 0.5623])
    """
    p = np.clip(probability[scene.counted], CLIP, 1.0 - CLIP)
    chance = scene.chance[scene.counted]
    loss: Floats = -chance * np.log(p) - (1.0 - chance) * np.log1p(-p)
    return loss


def _fold_rows(scene: Scene) -> list[NDArray[np.int64]]:
    if scene.folds is None:
        return [np.flatnonzero(scene.counted)]
    starts = scene.folds.starts
    return [scored_rows(start, scene.day, scene.card, scene.is_fraud) for start in starts]


def _ranking_of(scene: Scene, rows: NDArray[np.int64], probability: Floats) -> dict[str, float]:
    p, y = probability[rows], scene.is_fraud[rows]
    if scene.folds is None:
        return {"roc_auc": roc_auc(p, y), "average_precision": average_precision(p, y)}
    scores = fold_scores(rows, Scored(scene.day, scene.card, scene.is_fraud, probability))
    return {
        "roc_auc": scores.roc_auc,
        "average_precision": scores.average_precision,
        "card_precision_100": scores.card_precision_100,
    }
