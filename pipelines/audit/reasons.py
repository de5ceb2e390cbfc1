"""Why a label is suspicious, in words that a reviewer can check against the transaction."""

from typing import Any

import numpy as np
import pandas as pd

from pipelines.audit.evidence import Evidence, terms
from pipelines.audit.hindsight import ENTITIES, time_us_of
from pipelines.audit.neighbours import others_within

NEAR_DAYS = 7.0
NAMED_FEATURES = 3
LEAST_NAMED = 0.05  # of the log odds
SOURCES = {
    "chargeback": "a chargeback",
    "review": "a manual review",
    "user_report": "a user report",
}


def with_reasons(evidence: Evidence, ranked: pd.DataFrame) -> pd.DataFrame:
    """The same table with a last column `reasons`.

    Args:
        evidence: of a run.
        ranked: of `ranked_labels`.
    """
    rows = ranked.index.to_numpy()
    time_us, table = time_us_of(evidence.predictions), evidence.predictions
    near: dict[str, tuple[Any, Any]] = {}
    for name in ENTITIES:
        if name in table:
            code = pd.factorize(table[name])[0]
            others, frauds = others_within(code, time_us, evidence.is_fraud, NEAR_DAYS)
            near[name] = (np.where(code < 0, -1, others)[rows], frauds[rows])
    reasons = []
    for place, row in enumerate(rows):
        says_fraud = ranked["label"].iloc[place] == "fraud"
        told = [
            _who_said_so(ranked.iloc[place], says_fraud, time_us[row]),
            _what_the_model_gave(ranked.iloc[place], table["scorer"].iloc[row]),
            *(
                _near(name, int(others[place]), int(frauds[place]))
                for name, (others, frauds) in near.items()
            ),
            _largest_contributions(evidence, row, says_fraud),
        ]
        reasons.append("; ".join(each for each in told if each))
    return ranked.assign(reasons=pd.array(reasons, dtype="str"))


def contributions(evidence: Evidence, row: int) -> dict[str, float]:
    """What each feature added to the served log odds of one transaction.

    A product of two features is shared between them in halves, so together they are the log odds without
    the intercept.
    """
    version = int(evidence.predictions["weights_version"].iloc[row])
    publication = evidence.publications[version]
    features = evidence.settings.features
    added = terms(publication, evidence.settings, evidence.features[row : row + 1])[0]
    added = added * publication.weight
    total = dict(zip(features.names, added[: len(features.names)].tolist(), strict=True))
    for pair, value in zip(features.pairs, added[len(features.names) :].tolist(), strict=True):
        for name in pair:
            total[name] += value / 2.0
    return total


def _who_said_so(label: "pd.Series[Any]", says_fraud: bool, event_us: int) -> str:
    source = label["label_source"]
    if source == "maturity":
        return "taken as legitimate because no report came in time"
    days = (pd.Timestamp(label["label_time"]).value // 1000 - event_us) / 86_400e6
    when = f"{days:.1f} days after the transaction"
    who = SOURCES.get(str(source), str(source))
    if says_fraud:
        return f"reported as fraud by {who} {when}"
    return f"was reported as fraud, and {who} took that back {when}"


def _what_the_model_gave(label: "pd.Series[Any]", scorer: str) -> str:
    served, hindsight = (
        percent(label["probability_served"]),
        percent(label["probability_hindsight"]),
    )
    return f"the {scorer} gave it {served} when it came, hindsight gives {hindsight}"


def _near(name: str, others: int, frauds: int) -> str:
    """What the labels around say; others is -1 where the card or terminal is unknown."""
    if others < 0:
        return ""
    span = f"within {NEAR_DAYS:.0f} days"
    if others == 0:
        return f"nothing else of the {name} {span}"
    if frauds == 0:
        return f"no report about the {name}'s {others} other transactions {span}"
    return f"{frauds} of the {name}'s {others} other transactions {span} reported as fraud"


def _largest_contributions(evidence: Evidence, row: int, says_fraud: bool) -> str:
    """What spoke most against the label when the transaction was answered."""
    sign = -1.0 if says_fraud else 1.0
    added = contributions(evidence, row)
    largest = sorted(added, key=lambda name: (-sign * added[name], name))[:NAMED_FEATURES]
    version = int(evidence.predictions["weights_version"].iloc[row])
    mean = evidence.publications[version].mean
    named = []
    for index, feature in enumerate(evidence.settings.features.features):
        if feature.name in largest and sign * added[feature.name] >= LEAST_NAMED:
            value = float(evidence.features[row, index])
            told = _value_in_words(feature.words, feature.unit, value, float(mean[index]))
            named.append((largest.index(feature.name), f"{told} ({added[feature.name]:+.1f})"))
    if not named:
        return ""
    spoke = ", ".join(text for _, text in sorted(named))
    return f"against {'fraud' if says_fraud else 'legitimate'} spoke {spoke}"


def _value_in_words(words: str, unit: str, value: float, mean: float) -> str:
    """A feature as a reviewer reads it.

    >>> _value_in_words("first time this card is seen", "0/1", 0.0, 0.1)
    'not "first time this card is seen"'
    >>> _value_in_words("amount", "log(1+amount)", 2.0, 3.0)
    'low "amount"'
    """
    if unit == "0/1":
        return f'"{words}"' if value > 0.5 else f'not "{words}"'
    return f'{"low" if value < mean else "high"} "{words}"'


def percent(probability: float) -> str:
    """Two significant digits, also of a small share.

    >>> percent(0.00021), percent(0.5), percent(1e-9)
    ('0.021 %', '50 %', 'less than 0.001 %')
    """
    if probability < 1e-5:
        return "less than 0.001 %"
    if probability > 0.99:
        return f"{100.0 * probability:.3f} %"
    return f"{float(f'{100.0 * probability:.2g}'):g} %"
