"""Which column of a sample is what: guesses, each with its reason, for a person to correct.

Pure: profiles of sampled columns in, a `Guess` out. Names count first, values decide: an id must not
repeat, an amount must not be negative, an entity must repeat, a label must be 0 and 1 and rare. What is
left over is looked at in `feature_guess`. English names only; everything else needs a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import DataError
from fraud_system.events import SECOND_US
from fraud_system.limits import MAX_ID_BYTES
from fraud_system.schema import ROW_NUMBER, TIME_UNITS
from pipelines.choice import Choice, held, others
from pipelines.column_profile import STRAY, Profile
from pipelines.column_values import END_S
from pipelines.column_words import (
    AMOUNT_WORDS,
    ARRIVAL_WORDS,
    CARD_WORDS,
    FRAUD_WORDS,
    LABEL_WORDS,
    OTHER_TIMES,
    PAYMENT_WORDS,
    TERMINAL_WORDS,
    TIME_WORDS,
    UNIT_WORDS,
    has,
    is_id_name,
)

MOST_FRAUD = 0.5
MANY_FRAUD = 0.05
FEW = 50

# A count of seconds since 1970 that is later than 1973, and so on: by the largest value.
EPOCH_UNITS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (1e8, "s"))


@dataclass(frozen=True)
class Guess:
    """What the columns seem to be.

    Args:
        transaction_id, event_time, amount: as in a schema.
        time_unit: a key of `TIME_UNITS`, where the event time is a bare number.
        from_first_row: such numbers seem to count from the first row, not from 1970.
        label: None where no column looks like one.
        known_time: a column that may be when the system came to know.
        entities: by name.
        span_s: between the first and the last event time of the sample, strays apart.
        label_hint: a column that says fraud in words that are not read.
        fraud_share: of the sampled rows; nan without a label.
    """

    transaction_id: Choice
    event_time: Choice
    time_unit: str | None
    from_first_row: bool
    amount: Choice
    label: Choice | None
    known_time: Choice | None
    entities: dict[str, Choice]
    span_s: float
    fraud_share: float
    label_hint: str

    @property
    def taken(self) -> set[str]:
        """The columns that have a role."""
        chosen = [self.transaction_id, self.event_time, self.amount, self.label, self.known_time]
        return {each.column for each in (*chosen, *self.entities.values()) if each is not None}


def guess_roles(profiles: Sequence[Profile], where: str) -> Guess:
    """The columns that a schema must name, and those that it may.

    Raises:
        DataError: no column can be the event time, or the amount.
    """
    left = list(profiles)
    label = _take(left, _label(left))
    event, unit, why_event = _event_time(left, where)
    left.remove(event)
    amount, why_amount = _amount(left, where)
    left.remove(amount)
    transaction_id = _transaction_id(left)
    left = [each for each in left if each.name != transaction_id.column]
    entities = {}
    for name, words in (("card", CARD_WORDS), ("terminal", TERMINAL_WORDS)):
        found = _take(left, _entity(left, words))
        if found is not None:
            entities[name] = found
    seconds = _seconds(event, unit)
    labels = next((each for each in profiles if label and each.name == label.column), None)
    return Guess(
        transaction_id,
        Choice(event.name, why_event),
        unit,
        unit is not None and not _since_1970(event),
        Choice(amount.name, why_amount),
        label,
        _known_time(left, seconds),
        entities,
        float(np.diff(np.nanquantile(seconds, [STRAY, 1 - STRAY]))[0]),
        float(np.nan if labels is None else labels.share(labels.numbers == 1.0)),
        held([each for each in profiles if _is_label_name(each) and each.distinct == 2]),
    )


def _take(left: list[Profile], choice: Choice | None) -> Choice | None:
    if choice is not None:
        left[:] = [each for each in left if each.name != choice.column]
    return choice


def _label(left: Sequence[Profile]) -> Choice | None:
    """The flag whose name says fraud; of several the one with fewest other words."""
    ranked = []
    for each in left:
        share = each.share(each.numbers == 1.0)
        says_fraud = has(each.words, FRAUD_WORDS)
        rank = next((place for place, word in enumerate(LABEL_WORDS) if word in each.words), None)
        if each.kind != "flag" or (rank is None and not says_fraud):
            continue
        if share <= MOST_FRAUD and (share > 0.0 or says_fraud):
            extra = len(set(each.words) - {*FRAUD_WORDS, *LABEL_WORDS, "is", "tx", "bool", "flag"})
            ranked.append(((share == 0.0, not says_fraud, extra, rank or 0), each, share))
    if not ranked:
        return None
    _, best, share = min(ranked, key=lambda item: item[0])
    why = f"0 and 1, {share:.3%} are 1, and its name says so"
    if share == 0.0:
        why = "its name says so; but no 1 in the rows that were looked at"
    if share > MANY_FRAUD:
        why += "; so many frauds are rare in payments: probabilities will be those of this file"
    return Choice(best.name, why + others(best, [each for _, each, _ in ranked]))


def _is_label_name(each: Profile) -> bool:
    return has(each.words, FRAUD_WORDS) or bool(set(each.words) & set(LABEL_WORDS))


def _event_time(left: Sequence[Profile], where: str) -> tuple[Profile, str | None, str]:
    """A time if there is one, else a number that counts from 1970 or from the first row."""
    ranked = []
    for each in left:
        named = _is_time_name(each)
        other = has(each.words, OTHER_TIMES) or has(each.words, ARRIVAL_WORDS)
        unit = None if each.kind == "time" else _unit(each)
        numeric = each.is_numeric and named and unit is not None
        if _is_full(each) and (each.kind == "time" or numeric):
            rank = (other, each.kind != "time", not named, -each.distinct)
            ranked.append((rank, each, unit))
    if not ranked:
        problem = "no column can be the event time" + held(filter(_is_time_name, left))
        fix = "add one: 2018-04-01T10:00:31Z (not 20180401, not 01/04/2018), or a number of seconds"
        raise DataError(problem, field=where, fix=fix)
    _, best, unit = min(ranked, key=lambda item: item[0])
    if unit is None:
        why = f"times such as {best.examples[0]}"
    else:
        since = "1970" if _since_1970(best) else "the first row"
        why = f"its name says so; numbers that seem to count from {since}, see time_unit"
    return best, unit, why + others(best, [each for _, each, _ in ranked])


def _is_time_name(each: Profile) -> bool:
    return any(word in TIME_WORDS or "time" in word for word in each.words)


def _is_full(each: Profile) -> bool:
    return each.filled >= (1 - STRAY) * each.rows


def _unit(each: Profile) -> str | None:
    """What a number that is a time seems to count; None where it cannot be one."""
    if np.isnan(each.numbers).all():
        return None
    low, high = np.nanquantile(each.numbers, [STRAY, 1 - STRAY])
    by_size = next((unit for least, unit in EPOCH_UNITS if high >= least), None)
    by_name = next((unit for unit, words in UNIT_WORDS.items() if words & set(each.words)), "s")
    unit = by_size or by_name
    is_date = low > 18_000_000 and high < 22_000_000  # such as 20180401
    inside = low >= 0 and high * TIME_UNITS[unit] < END_S * SECOND_US
    return unit if inside and not is_date else None


def _since_1970(event: Profile) -> bool:
    return bool(np.nanmedian(event.numbers) >= EPOCH_UNITS[-1][0])


def _seconds(event: Profile, unit: str | None) -> NDArray[np.float64]:
    return event.numbers if unit is None else event.numbers * TIME_UNITS[unit] / SECOND_US


def _amount(left: Sequence[Profile], where: str) -> tuple[Profile, str]:
    """By its name; failing that the number with most different values."""
    ranked = []
    for each in left:
        rank = next(
            (place for place, word in enumerate(AMOUNT_WORDS) if has(each.words, [word])), None
        )
        if not each.is_numeric or not _is_full(each):
            continue
        negative = each.share(each.numbers < 0) > STRAY
        if not negative and (rank is not None or each.kind == "number"):
            ranked.append(((rank is None, rank or 0, len(each.words), -each.distinct), each))
    if not ranked:
        named = (each for each in left if has(each.words, AMOUNT_WORDS))
        problem = "no column can be the amount" + held(named)
        fix = "add one: plain numbers, not negative, without a currency sign or thousands separator"
        raise DataError(problem, field=where, fix=fix)
    (no_name, *_), best = min(ranked, key=lambda item: item[0])
    alike = [each for rank, each in ranked if rank[0] == no_name]
    low, high = np.nanmin(best.numbers), np.nanmax(best.numbers)
    why = f"{low:g} to {high:g}, and its name says so"
    if no_name:
        why = f"a weak guess: no name says amount; numbers from {low:g} to {high:g}"
    return best, why + "; major units, not cents" + others(best, alike)


def _transaction_id(left: Sequence[Profile]) -> Choice:
    """A column whose name says id and that hardly ever repeats; else the number of the row."""
    named = [each for each in left if each.kind in ("whole", "text") and is_id_name(each.words)]
    named.sort(key=lambda each: (not each.is_unique, not has(each.words, PAYMENT_WORDS)))
    good = [each for each in named if _identifies(each)]
    if good:
        again = good[0].rows - good[0].distinct
        often = f"{again} missing or again" if again else "never twice"
        why = f"{often} in the {good[0].rows} rows looked at, and its name says so"
        return Choice(good[0].name, why + others(good[0], good))
    why = "no column is an id that never repeats, so the place of the row is the id, from 1"
    repeating = [each.name for each in named if has(each.words, PAYMENT_WORDS)]
    if repeating:
        why += f"; {repeating[0]} has that name, but repeats, has gaps or is too long"
    return Choice(ROW_NUMBER, why)


def _identifies(each: Profile) -> bool:
    short = all(len(text.encode()) <= MAX_ID_BYTES for text in each.examples)
    return short and each.rows - each.distinct <= STRAY * each.rows


def _entity(left: Sequence[Profile], words: Sequence[str]) -> Choice | None:
    """A column that repeats, whose name is that of such a thing."""
    ranked = []
    for each in left:
        rank = next((place for place, word in enumerate(words) if has(each.words, [word])), None)
        if (
            rank is None
            or each.kind not in ("whole", "text")
            or not 2 <= each.distinct < each.filled
        ):
            continue
        numbered = any(word.isdigit() for word in each.words)
        more = [w for w in each.words if not (w.isdigit() or w == "name" or has([w], words))]
        if is_id_name(each.words) or (not more and (not numbered or each.distinct > FEW)):
            ranked.append(((rank, -each.distinct), each))
    if not ranked:
        return None
    _, best = min(ranked, key=lambda item: item[0])
    why = f"{best.distinct} different ones in {best.filled} rows, and its name says so"
    return Choice(best.name, why + others(best, [each for _, each in ranked]))


def _known_time(left: Sequence[Profile], event_s: NDArray[np.float64]) -> Choice | None:
    """A time that is never long before nor long after the event."""
    for each in left:
        late_s = each.numbers - event_s
        within = (late_s >= -300.0) & (late_s <= 86_400.0)
        if (
            each.kind == "time"
            and has(each.words, ARRIVAL_WORDS)
            and each.share(within) > 1 - STRAY
        ):
            return Choice(each.name, "its name, and from 5 minutes before to a day after the event")
    return None
