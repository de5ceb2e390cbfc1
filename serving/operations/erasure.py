"""What is erased of a card, and what takes its place, so that everything else stays as it was recorded.

A key only says which transactions are of one card. So the card's key is replaced, everywhere, by a number
that was drawn for this: features, scores and learned weights of a replay stay the same to the last bit, but
nothing leads from the card's number to its transactions any more. The texts of the ids of its transactions
are blanked, there and in the reports about them. Their keys (a hash of the id) stay: late reports still join,
and a repeated id is still known.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ConfigError
from fraud_system.events import Column, Frame, Table
from fraud_system.settings import Settings

Keys = NDArray[np.uint64]


class Replacement(NamedTuple):
    """One card's key and what takes its place.

    Args:
        entity: which entity of the settings a card is.
        old_key: `keys.key_of` the card's number.
        new_key: drawn by chance.
    """

    entity: int
    old_key: int
    new_key: int


def entity_of(settings: Settings, name: str) -> int:
    """The position of an entity.

    Raises:
        ConfigError: the settings have no such entity.
    """
    names = [entity.name for entity in settings.features.entities]
    if name not in names:
        raise ConfigError(f"there is none called {name!r}", field="ENTITY", fix=f"one of {names}")
    return names.index(name)


def transactions_of(frame: Frame, replacement: Replacement) -> Keys:
    """The keys of the card's transactions in a frame, whether they have been erased already or not."""
    table = frame.tables.get("transaction")
    if table is None:
        return np.zeros(0, np.uint64)
    found: Keys = table["transaction_key"][_rows(table, replacement)]
    return found


def erased(frame: Frame, replacement: Replacement, transactions: Keys) -> Frame | None:
    """The frame without the card; None where there is nothing (left) to erase.

    Args:
        transactions: keys of all transactions of the card.
    """
    tables = dict(frame.tables)
    if "transaction" in tables:
        tables["transaction"] = _without_card(tables["transaction"], replacement)
    if "label" in tables:
        about = np.isin(tables["label"]["transaction_key"], transactions)
        tables["label"] = _without_ids(tables["label"], about)
    changed = any(tables[name] is not table for name, table in frame.tables.items())
    return replace(frame, tables=tables) if changed else None


def _without_card(table: Table, replacement: Replacement) -> Table:
    rows = _rows(table, replacement)
    made = _without_ids(table, rows)
    old = table["entity_keys"][:, replacement.entity] == replacement.old_key
    if not old.any():
        return made
    keys = table["entity_keys"].copy()
    keys[old, replacement.entity] = replacement.new_key
    return made | {"entity_keys": keys}


def _without_ids(table: Table, rows: Column) -> Table:
    """The same table where these rows have no text (left)."""
    texts = table["transaction_id"]
    if not (texts[rows] != b"").any():
        return table
    blanked = texts.copy()
    blanked[rows] = b""
    return table | {"transaction_id": blanked}


def _rows(table: Table, replacement: Replacement) -> Column:
    keys = table["entity_keys"][:, replacement.entity]
    return (keys == replacement.old_key) | (keys == replacement.new_key)
