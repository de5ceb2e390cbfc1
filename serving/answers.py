"""From recorded columns to answers: the same words for the first answer and for every repetition of it.

An answer is a function of what the ledger holds (the decision's row, and the weights that were in force), so
asking again gives what was said the first time, even after a restart.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from fraud_system.events import SECOND_US, Action, Column, LabelSource, Scorer, Table
from fraud_system.labels import Outcome
from fraud_system.models.scoring import Served
from fraud_system.reasons import Reasons, contributions, value_in_words
from fraud_system.settings import Settings
from serving.columns import time_of
from serving.wire import Contribution, Decision, Explanation, KnownLabel, Label, LabelReceipt

ACTIONS = {int(action): action.name.lower() for action in Action}
SCORERS = {int(scorer): scorer.name.lower() for scorer in Scorer}
SOURCES = {int(source): source.name.lower() for source in LabelSource}
OUTCOMES = {int(outcome): outcome.name.lower() for outcome in Outcome}
ARM = "champion"


class InForce(NamedTuple):
    """Weights that answer, or answered.

    Args:
        served: their arrays.
        adopted_us: known time of their adoption.
    """

    served: Served
    adopted_us: int


class Answers:
    """Makes answers under one system's settings.

    Args:
        settings: of the engine.
    """

    def __init__(self, settings: Settings) -> None:
        self._features = settings.features
        self._reasons = Reasons(settings.features, settings.rules)

    def decisions(self, transactions: Table, decisions: Table, in_force: InForce) -> list[Decision]:
        """One answer for each row of the tables `transaction` and `decision` of a frame."""
        rows = decisions["features"]
        reasons = self._reasons.of_model(in_force.served, rows)
        for place in np.flatnonzero(decisions["scorer"] == Scorer.HEURISTIC):
            reasons[place] = self._reasons.of_heuristic(in_force.served, rows[place])
        known_us = transactions["known_time_us"].tolist()
        # Rows of one micro-batch became known together.
        times = {each: time_of(each) for each in set(known_us)}
        ages = {each: (each - in_force.adopted_us) / SECOND_US for each in times}
        columns = zip(
            transactions["transaction_id"].tolist(),
            decisions["probability"].tolist(),
            decisions["expected_loss"].tolist(),
            decisions["action"].tolist(),
            reasons,
            decisions["scorer"].tolist(),
            decisions["weights_version"].tolist(),
            known_us,
            decisions["seq"].tolist(),
            strict=True,
        )
        return [
            Decision(
                sent_id.decode(),
                probability,
                expected_loss,
                ACTIONS[action],  # type: ignore[arg-type]
                why,
                SCORERS[scorer],  # type: ignore[arg-type]
                version,
                ages[known],
                ARM,  # type: ignore[arg-type]
                times[known],
                seq,
            )
            for (
                sent_id,
                probability,
                expected_loss,
                action,
                why,
                scorer,
                version,
                known,
                seq,
            ) in columns
        ]

    def explanation(
        self,
        transaction: Table,
        decision: Table,
        in_force: InForce | None,
        labels: Sequence[KnownLabel],
        status: str | None,
        first: Decision,
    ) -> Explanation:
        """Everything on record about the only row of these tables."""
        listed, row = self._features, decision["features"][0]
        happened = time_of(int(transaction["event_time_us"][0]))
        found: list[Contribution] = []
        base = recalibrated = None
        if in_force is not None:
            served = in_force.served
            added = contributions(served, row)
            found = self._contributions(row, added.tolist(), happened)
            offset, slope = served.recalibration.tolist()
            base = float(served.intercept[0])
            recalibrated = _number(offset + (slope - 1.0) * (base + float(added.sum())))
        entities = [entity.name for entity in listed.entities]
        return Explanation(
            decision=first,
            event_time=happened,
            amount=float(transaction["amount"][0]),
            entities=_named_keys(entities, transaction["entity_keys"][0]),
            categories=_named_keys(listed.categorical, transaction["categories"][0]),
            numeric={
                name: _number(value)
                for name, value in zip(
                    listed.numeric, transaction["numeric"][0].tolist(), strict=True
                )
            },
            probability_model=_number(float(decision["probability_model"][0])),
            probability_heuristic=float(decision["probability_heuristic"][0]),
            probability_constant=float(decision["probability_constant"][0]),
            contributions=found,
            labels=list(labels),
            status=status,  # type: ignore[arg-type]
            log_odds_base=base,
            log_odds_recalibration=recalibrated,
        )

    def _contributions(
        self, row: Column, added: Sequence[float], happened: datetime
    ) -> list[Contribution]:
        """Of a row (d,) of features, and what they and the pairs add (d + k,); largest first."""
        listed = self._features
        words = {feature.name: feature.words for feature in listed.features}
        found = []
        for feature, value, each in zip(listed.features, row.tolist(), added, strict=False):
            shown = value_in_words(feature, value)
            if feature.unit == "0/1":
                shown = shown or "yes"
            elif feature.unit == "-1..1":  # both halves of the time of day
                shown = f"{happened:%H:%M} UTC"
            found.append(Contribution(feature.name, feature.words, _number(value), each, shown))
        for (left, right), each in zip(listed.pairs, added[len(listed.names) :], strict=True):
            both = f"{words[left]}, together with {words[right]}"
            if left == right:
                both = f"{words[left]}, squared"
            found.append(Contribution(f"{left} x {right}", both, None, each))
        return sorted(found, key=lambda each: -abs(each.contribution))


def receipt(sent: Label, table: Table, row: int) -> LabelReceipt:
    """The answer to a report that is row `row` of a table `label`."""
    return LabelReceipt(
        sent.transaction_id,
        sent.label_id,
        OUTCOMES[int(table["outcome"][row])],  # type: ignore[arg-type]
        time_of(int(table["known_time_us"][row])),
        int(table["seq"][row]),
    )


def known_label(table: Table, row: int) -> KnownLabel:
    """A report as it is on record."""
    return KnownLabel(
        bool(table["is_fraud"][row]),
        SOURCES[int(table["source"][row])],  # type: ignore[arg-type]
        OUTCOMES[int(table["outcome"][row])],  # type: ignore[arg-type]
        time_of(int(table["known_time_us"][row])),
        int(table["seq"][row]),
    )


def same_content(left: Table, left_row: int, right: Table, right_row: int) -> bool:
    """Whether two rows of transactions say the same, but for when they became known."""
    names = ("event_time_us", "amount", "entity_keys", "numeric", "categories")
    return all(_same(left[name][left_row], right[name][right_row]) for name in names)


def _same(left: Column, right: Column) -> bool:
    equal_nan = np.asarray(left).dtype.kind == "f"
    return bool(np.array_equal(left, right, equal_nan=equal_nan))


def _named_keys(names: Sequence[str], keys: Column) -> dict[str, str | None]:
    pairs = zip(names, keys.tolist(), strict=True)
    return {name: f"{key:016x}" if key else None for name, key in pairs}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
