"""The sampled rows as tables for Evidently, each column typed, named and told in words.

Transactions and settled labels are different rows, so they stand below each other in one table, and a column
is missing in the rows that it is not about: of each column Evidently compares only what is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fraud_system.events import DAY_US, Resolution, Table
from fraud_system.features.declaration import FeatureList
from pipelines.drift.rows import action_names, is_fraud, scorer_names, source_names

SMALLEST = 1e-9  # a probability of 0 or 1 has no log odds


@dataclass(frozen=True)
class Described:
    """One column.

    Args:
        name: as in the feature list.
        words: what it is.
        unit: of its values; empty for names.
        is_categorical: compared by shares, not by distance.
        about: `transactions` or `settled labels`.
    """

    name: str
    words: str
    unit: str
    is_categorical: bool = False
    about: str = "transactions"

    @property
    def label(self) -> str:
        """In Evidently's tables; it writes names into a script without care for what they hold.

        >>> Described("numeric:a</script>", "a", "").label
        'numeric:a/script: a'
        """
        return f"{self.name}: {self.words}".translate({ord("<"): None, ord(">"): None})


SERVED = (
    Described("amount", "amount of the transaction", "currency units"),
    Described("log_odds", "probability that was answered, as log odds", "log odds"),
    Described("probability", "probability that was answered", "0..1"),
    Described("expected_loss", "expected loss", "currency units"),
    Described("action", "what was done", "", is_categorical=True),
    Described("scorer", "who answered", "", is_categorical=True),
)
LABELS = (
    Described("is_fraud", "what settled labels say", "0/1", True, "settled labels"),
    Described("label_source", "who reported the frauds", "", True, "settled labels"),
    Described("label_delay", "from the payment to the report", "days", False, "settled labels"),
)


def described(features: FeatureList) -> list[Described]:
    """All columns, in the order of the table."""
    listed = [
        Described(each.name, each.words, each.unit, each.unit == "0/1")
        for each in features.features
    ]
    return [*SERVED, *listed, *LABELS]


def window_table(
    columns: Sequence[Described], features: FeatureList, sent: Table, settled: Table
) -> pd.DataFrame:
    """The rows of one window, (transactions + settled labels, columns), by `Described.label`."""
    values: dict[str, Any] = {}
    if sent:
        probability = np.clip(sent["probability"], SMALLEST, 1.0 - SMALLEST)
        values |= {name: sent[name] for name in ("amount", "probability", "expected_loss")}
        values["log_odds"] = np.log(probability) - np.log1p(-probability)
        values["action"], values["scorer"] = (
            action_names(sent["action"]),
            scorer_names(sent["scorer"]),
        )
        values |= dict(zip(features.names, sent["features"].T.astype(np.float64), strict=True))
    labels: dict[str, Any] = {}
    if settled:
        reported = settled["resolution"] != Resolution.MATURED
        delay = (settled["known_time_us"] - settled["transaction_time_us"]) / DAY_US
        labels["is_fraud"] = is_fraud(settled["resolution"]).astype(np.float64)
        labels["label_source"] = pd.Series(source_names(settled["source"])).where(reported, None)
        labels["label_delay"] = np.where(reported, delay, np.nan)
    upper, lower = pd.DataFrame(values), pd.DataFrame(labels)
    table = pd.concat([upper, lower], ignore_index=True)
    return pd.DataFrame({each.label: _typed(each, table) for each in columns})


def _typed(column: Described, table: pd.DataFrame) -> pd.Series:
    """Numbers as floats, names as text, 0/1 as text too; missing stays missing."""
    if column.name not in table:
        return pd.Series(np.nan, index=table.index, dtype=np.float64)
    found = table[column.name]
    if not column.is_categorical:
        return found.astype(np.float64).replace([np.inf, -np.inf], np.nan)
    if column.unit != "0/1":
        return found.astype(object)
    return found.map({0.0: "no", 1.0: "yes"}).astype(object)
