"""What was answered and what became known since: a fold over the ledger, one row a transaction.

The columns are those of `predictions.parquet` (docs/files.md); the rows are in ledger order.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from fraud_system.events import Action, Column, LabelSource, Resolution, Scorer
from fraud_system.ledger import Ledger
from fraud_system.simulate import FraudKind, Truth

LABELLED_FRAUD = (Resolution.FRAUD, Resolution.LATE_FRAUD)
CHAMPION_ARM = "champion"
NAMED_ENTITIES = ("card", "terminal")


def read_predictions(ledger: Ledger, entities: tuple[str, ...]) -> pd.DataFrame:
    """Fold the ledger into the table of predictions.

    Args:
        ledger: of a run.
        entities: names in the order of `Transactions.entity_keys`. For "card" and "terminal" there is
            a column (the key in hexadecimal, so the table names none of them; null where unknown).
    """
    parts: dict[str, list[Column]] = {}
    resolved: dict[str, list[Column]] = {}
    wanted = ("transaction_id", "transaction_key", "event_time_us", "amount", "entity_keys")
    decided = (
        "probability",
        "probability_heuristic",
        "probability_constant",
        "expected_loss",
        "action",
        "scorer",
        "weights_version",
    )
    for frame in ledger.frames():
        if "transaction" in frame.tables:
            for name in wanted:
                parts.setdefault(name, []).append(frame.tables["transaction"][name])
            for name in decided:
                parts.setdefault(name, []).append(frame.tables["decision"][name])
        for name in ("ordinal", "resolution", "source", "known_time_us"):
            if "resolved" in frame.tables:
                resolved.setdefault(name, []).append(frame.tables["resolved"][name])
    columns = {name: np.concatenate(each) for name, each in parts.items()}
    table = pd.DataFrame(
        {
            "transaction_id": _texts(columns["transaction_id"]),
            "event_time": columns["event_time_us"].view("datetime64[us]"),
            "amount": columns["amount"],
            "probability": columns["probability"],
            "probability_heuristic": columns["probability_heuristic"],
            "probability_constant": columns["probability_constant"],
            "expected_loss": columns["expected_loss"],
            "action": _names(Action, columns["action"]),
            "scorer": _names(Scorer, columns["scorer"]),
            "weights_version": columns["weights_version"],
            "arm": CHAMPION_ARM,
            # One policy, no chance in it: the action that was taken was certain.
            "propensity": 1.0,
        }
    )
    labels = {name: np.concatenate(each) for name, each in resolved.items()}
    _add_labels(table, labels)
    for name in NAMED_ENTITIES:
        if name in entities:
            table[name] = _hexadecimal(columns["entity_keys"][:, entities.index(name)])
    table.attrs["transaction_key"] = columns["transaction_key"]
    return table


def add_truth(table: pd.DataFrame, transaction_key: Column, truth: Truth) -> None:
    """Add what only a simulator knows, matched by transaction key."""
    order = np.argsort(transaction_key, kind="stable")
    found = order[np.searchsorted(transaction_key[order], table.attrs["transaction_key"])]
    table["true_probability"] = truth.probability[found]
    table["true_is_fraud"] = truth.is_fraud[found]
    names = np.array(["", *(kind.name.lower() for kind in list(FraudKind)[1:])], dtype=object)
    kinds = np.where(truth.is_fraud[found], truth.kind[found], FraudKind.NONE)
    table["fraud_kind"] = pd.array(names[kinds], dtype="str")


def write_predictions(table: pd.DataFrame, path: Path) -> None:
    """Write the table; equal tables give equal bytes."""
    plain = table.copy(deep=False)
    plain.attrs = {}
    plain.to_parquet(path, engine="pyarrow", index=False, compression="zstd")


def _add_labels(table: pd.DataFrame, resolved: dict[str, Column]) -> None:
    """The last word on each transaction; later resolutions overwrite earlier ones."""
    size = len(table)
    is_fraud, source = np.zeros(size, bool), np.zeros(size, np.uint8)
    known_us, known = np.zeros(size, np.int64), np.zeros(size, bool)
    if resolved:
        ordinal = resolved["ordinal"]
        is_fraud[ordinal] = np.isin(resolved["resolution"], LABELLED_FRAUD)
        source[ordinal] = resolved["source"]
        known_us[ordinal] = resolved["known_time_us"]
        known[ordinal] = True
    table["is_fraud"] = pd.array(is_fraud, dtype="boolean")
    table.loc[~known, "is_fraud"] = pd.NA
    table["label_time"] = known_us.view("datetime64[us]")
    table.loc[~known, "label_time"] = pd.NaT
    table["label_source"] = _names(LabelSource, source)
    table.loc[~known, "label_source"] = pd.NA


def _names(kind: type[Action] | type[Scorer] | type[LabelSource], codes: Column) -> pd.array:
    names = np.array([member.name.lower() for member in kind], dtype=object)
    return pd.array(names[codes], dtype="str")


def _hexadecimal(keys: Column) -> pd.array:
    codes, distinct = pd.factorize(keys)
    names = np.array([f"{key:016x}" if key else None for key in distinct], dtype=object)
    return pd.array(names[codes], dtype="str")


def _texts(ids: Column) -> pd.array:
    return pd.array(np.char.decode(ids, "utf-8"), dtype="str")
