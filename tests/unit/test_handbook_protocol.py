"""The Handbook's protocol against a slow one that is written from the book's own words."""

from datetime import date, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from fraud_system.errors import DataError
from fraud_system.metrics import card_precision_at_k
from pipelines.handbook.figures import _day, figures_of, resampled_card_precision
from pipelines.handbook.protocol import (
    CARDS_A_DAY,
    CHOICE,
    TEST,
    FoldSet,
    Scored,
    day_number,
    fold_scores,
    in_test_weeks,
    labelled_rows,
    scored_rows,
)

START = date(2018, 7, 25)
FIRST = day_number(START)


def stream(seed: int, cards: int = 130, days: int = 50, rows: int = 6_000) -> Scored:
    """Transactions from three days before the first training week on; the same card is often hit again."""
    generator = np.random.default_rng(seed)
    card = generator.integers(0, cards, rows)
    weak = generator.random(cards) < 0.2
    fraud = generator.random(rows) < np.where(weak[card], 0.1, 0.01)
    score = np.round(generator.beta(1.0, 20.0, rows) + 0.3 * fraud * generator.random(rows), 3)
    return Scored(FIRST - 3 + np.sort(generator.integers(0, days, rows)), card, fraud, score)


def literal_rows(start: date, s: Scored) -> list[int]:
    """Row by row, with calendar dates: is this card known to be compromised on this test day?"""
    kept = []
    moments = [date(1970, 1, 1) + timedelta(int(day)) for day in s.day]
    frauds = [(m, c) for m, c, y in zip(moments, s.card, s.is_fraud, strict=True) if y]
    for offset in range(14, 21):
        test_day = start + timedelta(offset)
        known = {
            card
            for moment, card in frauds
            if start <= moment < start + timedelta(7)
            or start + timedelta(7) <= moment <= test_day - timedelta(8)
        }
        kept += [row for row, m in enumerate(moments) if m == test_day and s.card[row] not in known]
    return kept


def literal_card_precision(rows: list[int], s: Scored) -> float:
    """Day by day: the 100 cards of highest score; what is found leaves the days after."""
    found: set[int] = set()
    shares = []
    for day in sorted({int(s.day[row]) for row in rows}):
        today = [row for row in rows if s.day[row] == day and s.card[row] not in found]
        best: dict[int, float] = {}
        for row in today:
            best[int(s.card[row])] = max(best.get(int(s.card[row]), 0.0), float(s.probability[row]))
        top = sorted(best, key=lambda card: (-best[card], card))[:CARDS_A_DAY]
        hits = {int(s.card[row]) for row in today if s.is_fraud[row]} & set(top)
        shares.append(len(hits) / CARDS_A_DAY)
        found |= hits
    return float(np.mean(shares))


@pytest.mark.parametrize("seed", range(4))
def test_a_fold_is_what_the_book_says(seed: int) -> None:
    s = stream(seed)
    for start in (START, START + timedelta(7)):
        rows = scored_rows(start, s.day, s.card, s.is_fraud)
        assert rows.tolist() == literal_rows(start, s)
        assert len(rows) < np.count_nonzero(in_test_weeks(FoldSet("one", (start,)), s.day))
        scores = fold_scores(rows, s)
        assert scores.card_precision_100 == pytest.approx(literal_card_precision(rows.tolist(), s))
        p, y = s.probability[rows], s.is_fraud[rows]
        pairs = p[y][:, None] - p[~y][None, :]
        assert scores.roc_auc == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)))


def test_which_cards_leave_which_test_day_by_hand() -> None:
    """Cards 1 to 5 are defrauded on days 6, 7, 8, 13 and -1 after the start; all pay every test day."""
    when = {1: 6, 2: 7, 3: 8, 4: 13, 5: -1}
    rows = [(day, card, True) for card, day in when.items()]
    rows += [(day, card, False) for day in range(14, 21) for card in when]
    day, card, fraud = (np.array(column) for column in zip(*sorted(rows), strict=True))
    kept = scored_rows(START, day + FIRST, card, fraud)
    shown = {offset: card[kept][day[kept] == offset].tolist() for offset in range(14, 21)}
    assert shown == {
        14: [
            2,
            3,
            4,
            5,
        ],  # the training week is known; the report on day 7 comes in the course of day 14
        15: [3, 4, 5],  # day 7 is eight days before day 15
        16: [4, 5],
        17: [4, 5],
        18: [4, 5],
        19: [4, 5],
        20: [4, 5],  # day 13 would be known on day 21; before the training week nobody looks
    }


def test_a_hit_leaves_the_following_days_and_a_miss_does_not() -> None:
    day = np.array([14, 14, 15, 15]) + FIRST
    card, fraud = np.array([0, 1, 0, 1]), np.array([True, False, True, True])
    s = Scored(day, card, fraud, np.array([0.9, 0.8, 0.9, 0.1]))
    scores = fold_scores(np.arange(4), s)
    # Day 14 finds card 0. On day 15 it is not looked at, and card 1 is found.
    assert scores.card_precision_100 == pytest.approx((1 / 100 + 1 / 100) / 2)


def test_a_batch_model_learns_only_what_was_known_when_its_test_week_began() -> None:
    day = np.arange(FIRST - 30, FIRST + 30)
    known = labelled_rows(START, day)
    begins = FIRST + 14
    # A label of any moment of a day is known seven days later, the last of them as the day after begins.
    assert [bool(k) for k in known] == [int(d) + 1 + 7 <= begins for d in day]


def test_the_choice_folds_end_before_the_held_back_ones_begin() -> None:
    assert CHOICE.last_test_day == date(2018, 7, 24)
    assert CHOICE.before == TEST.starts[0]
    assert TEST.first_test_day == date(2018, 8, 8)
    assert TEST.last_test_day == date(2018, 9, 4)
    for folds in (CHOICE, TEST):
        steps = {
            after - before for before, after in zip(folds.starts, folds.starts[1:], strict=False)
        }
        assert steps == {timedelta(7)}, "test weeks follow each other without a gap"


def test_a_week_without_transactions_is_named() -> None:
    s = stream(0, days=10)
    with pytest.raises(DataError, match="week from 2018-08-08"):
        scored_rows(START, s.day, s.card, s.is_fraud)


def _days(s: Scored, rows: NDArray[np.int64]) -> list[object]:
    order = rows[np.argsort(s.probability[rows], kind="stable")]
    return [_day(order[s.day[order] == each], s) for each in np.unique(s.day[rows])]


@pytest.mark.parametrize("seed", range(3))
def test_cards_taken_once_each_give_the_metric_itself(seed: int) -> None:
    s = stream(seed)
    rows = scored_rows(START, s.day, s.card, s.is_fraud)
    again = resampled_card_precision(_days(s, rows), np.ones(130))
    columns = (s.day[rows], s.card[rows], s.probability[rows], s.is_fraud[rows])
    assert again == pytest.approx(card_precision_at_k(*columns, CARDS_A_DAY))


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Calibrated scores on cards with risks of their own: expected / observed is 1 in truth."""
    held = 0
    folds = FoldSet("one", (START,))
    for seed in range(40):
        generator = np.random.default_rng(seed)
        card = generator.integers(0, 300, 3_000)
        p = np.clip(generator.gamma(0.5, 0.06, 300)[card] * generator.random(3_000), 0.0, 1.0)
        fraud = generator.random(3_000) < p
        s = Scored(FIRST + 14 + generator.integers(0, 7, 3_000), card, fraud, p)
        ratio = figures_of(folds, s, "truth", draws=99).mean["expected_over_observed"]
        assert ratio.low is not None
        assert ratio.high is not None
        held += ratio.low <= 1.0 <= ratio.high
    assert held >= 33  # 38 of 40 expected; 32 or fewer has a chance below 0.001 at 95 %


def test_a_figure_over_folds_is_their_mean_with_their_spread() -> None:
    s = stream(1)
    folds = FoldSet("two", (START, START + timedelta(7)))
    rows = [scored_rows(start, s.day, s.card, s.is_fraud) for start in folds.starts]
    each = [fold_scores(one, s).average_precision for one in rows]
    found = figures_of(folds, s, "m", draws=50)
    figure = found.mean["average_precision"]
    assert figure.value == pytest.approx(np.mean(each))
    assert figure.spread == pytest.approx(abs(each[0] - each[1]) / np.sqrt(2.0))
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < figure.value < figure.high
    assert found.first_fold["average_precision"].value == pytest.approx(each[0])
    weeks = in_test_weeks(folds, s.day)
    ratio = found.mean["expected_over_observed"].value
    assert ratio == pytest.approx(s.probability[weeks].sum() / s.is_fraud[weeks].sum())
