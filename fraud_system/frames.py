"""Columns in, frames out: what the engine hands to the kernel, and what it makes of the kernel's answer."""

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import DataError
from fraud_system.events import (
    Arrivals,
    Frame,
    Kind,
    LabelsObserved,
    Table,
    Transactions,
    no_labels,
    no_transactions,
)
from fraud_system.features.declaration import FeatureList
from fraud_system.kernel import Input, Output

# One frame resolves at most this many labels; a long silence that ends is spread over several frames.
MAX_RESOLVED_IN_FRAME = 65_536
RESOLVED_COLUMNS = (
    "seq",
    "known_time_us",
    "resolution",
    "source",
    "transaction_seq",
    "ordinal",
    "transaction_time_us",
)
DEAD_COLUMNS = ("seq", "known_time_us", "label_seq")

DECISION_COLUMNS = (
    "features",
    "log_odds",
    "probability",
    "probability_model",
    "probability_heuristic",
    "probability_constant",
    "expected_loss",
    "action",
    "scorer",
)


def empty_tables(listed: FeatureList) -> tuple[Transactions, LabelsObserved]:
    """No transactions and no labels, of the right widths."""
    sizes = (len(listed.entities), len(listed.numeric), len(listed.categorical))
    return no_transactions(*sizes), no_labels()


def input_of(
    arrivals: Arrivals,
    start: int,
    action: NDArray[np.uint8] | None,
    listed: FeatureList,
    after_us: int,
) -> Input:
    """The columns that the kernel reads, of the one kind that it is compiled for.

    Args:
        arrivals: inputs, taken from position `start`.
        action: (transactions,) what was done, where another engine has decided.
        listed: the features, which say how many columns there must be.
        after_us: no known time may be before it.

    Raises:
        DataError: known times decrease, a key is 0, or the columns do not fit the features.
    """
    transactions, messages = arrivals.transactions, arrivals.labels
    if action is not None and len(action) != len(transactions):
        raise DataError(f"has {len(action)} rows, not {len(transactions)}", field="action")
    for name, column, expected in (
        ("entity_keys", transactions.entity_keys, len(listed.entities)),
        ("numeric", transactions.numeric, len(listed.numeric)),
        ("categories", transactions.categories, len(listed.categorical)),
    ):
        if column.shape[1:] != (expected,):
            raise DataError(f"has {column.shape[1:]} columns, not {expected}", field=name)
    for name, column in (
        ("transaction_key", transactions.transaction_key),
        ("transaction_key", messages.transaction_key),
        ("label_key", messages.label_key),
    ):
        if len(column) and not column.all():
            raise DataError("0 stands for unknown", field=name, fix="use `keys.keys_of`")
    known = arrivals.known_time_us
    if len(known) > start and (
        known[start] < after_us or (known[start + 1 :] < known[start:-1]).any()
    ):
        raise DataError("decreases", field="known_time_us", fix="sort by known time")
    return Input(
        _column(arrivals.kind, np.uint8),
        _column(arrivals.row, np.int64),
        known,
        _column(transactions.transaction_key, np.uint64),
        _column(transactions.event_time_us, np.int64),
        _column(transactions.amount, np.float64),
        _column(transactions.entity_keys, np.uint64),
        _column(transactions.numeric, np.float64),
        _column(transactions.categories, np.uint64),
        _column(messages.transaction_key, np.uint64),
        _column(messages.is_fraud, np.bool_),
        _column(messages.source, np.uint8),
        _column(np.zeros(0) if action is None else action, np.uint8),
    )


def room_for(n: int, m: int, ticks: int, resolve_limit: int, features: int) -> Output:
    """Room for what the kernel says about n transactions, m labels and some ticks."""
    # Each input can resolve one label itself, beyond those that have become due.
    resolvable = min(resolve_limit, MAX_RESOLVED_IN_FRAME) + 1
    return Output(
        status=np.zeros(n + m + ticks, np.uint8),
        accepted=np.empty(n, np.int64),
        transaction_seq=np.empty(n, np.int64),
        features=np.empty((n, features), np.float32),
        log_odds=np.empty(n),
        probability=np.empty(n),
        probability_model=np.empty(n),
        probability_heuristic=np.empty(n),
        probability_constant=np.empty(n),
        expected_loss=np.empty(n),
        action=np.empty(n, np.uint8),
        scorer=np.empty(n, np.uint8),
        label_row=np.empty(m, np.int64),
        label_seq=np.empty(m, np.int64),
        outcome=np.empty(m, np.uint8),
        tick_row=np.empty(ticks, np.int64),
        tick_seq=np.empty(ticks, np.int64),
        resolved=np.empty((resolvable, len(RESOLVED_COLUMNS)), np.int64),
        dead=np.empty((1_024, len(DEAD_COLUMNS)), np.int64),
        filled=np.zeros(5, np.int64),
    )


def frame_of(
    first_seq: int,
    last_seq: int,
    known_time_us: int,
    weights_version: int,
    arrivals: Arrivals,
    out: Output,
) -> Frame | None:
    """What the ledger shall record of what the kernel said; None if nothing happened."""
    if last_seq < first_seq:
        return None
    transactions, messages, ticks, resolved, dead = out.filled.tolist()
    tables: dict[str, Table] = {}
    if transactions:
        accepted = arrivals.transactions.rows(out.accepted[:transactions])
        seq = _filled(out.transaction_seq, transactions)
        tables["transaction"] = {"seq": seq} | accepted.table()
        tables["decision"] = {"seq": seq} | {
            name: _filled(getattr(out, name), transactions) for name in DECISION_COLUMNS
        }
        tables["decision"]["weights_version"] = np.full(transactions, weights_version)
    if messages:
        observed = arrivals.labels.rows(out.label_row[:messages]).table()
        tables["label"] = {"seq": out.label_seq[:messages].copy()} | observed
        tables["label"]["outcome"] = out.outcome[:messages].copy()
    if ticks:
        known = arrivals.tick_us[out.tick_row[:ticks]]
        tables["tick"] = {"seq": out.tick_seq[:ticks].copy(), "known_time_us": known}
    if resolved:
        tables["resolved"] = _columns(RESOLVED_COLUMNS, out.resolved[:resolved])
    if dead:
        tables["dead_letter"] = _columns(DEAD_COLUMNS, out.dead[:dead])
    return Frame(first_seq, last_seq, known_time_us, tables)


def arrivals_of(frame: Frame, empty: tuple[Transactions, LabelsObserved]) -> Arrivals:
    """The inputs of a recorded frame, in their order."""
    transactions, messages = empty
    seqs, kinds, rows = [], [], []
    tick_us = np.zeros(0, np.int64)
    for kind, name in (
        (Kind.TRANSACTION, "transaction"),
        (Kind.LABEL, "label"),
        (Kind.TICK, "tick"),
    ):
        table = frame.tables.get(name)
        if table is None:
            continue
        seqs.append(table["seq"])
        kinds.append(np.full(len(table["seq"]), kind, np.uint8))
        rows.append(np.arange(len(table["seq"]), dtype=np.int64))
        if kind == Kind.TRANSACTION:
            transactions = Transactions(**{n: table[n] for n in transactions.table()})
        elif kind == Kind.LABEL:
            messages = labels_of(table)
        else:
            tick_us = table["known_time_us"]
    if not seqs:
        return Arrivals.merge(transactions, messages)
    order = np.argsort(np.concatenate(seqs), kind="stable")
    return Arrivals(
        np.concatenate(kinds)[order], np.concatenate(rows)[order], transactions, messages, tick_us
    )


def labels_of(table: Table) -> LabelsObserved:
    """The messages of a recorded `label` table.

    A release before `label_key` recorded none, and its messages had no ids of their own.
    """
    names = [field.name for field in fields(LabelsObserved)]
    if "label_key" in table:
        return LabelsObserved(**{name: table[name] for name in names})
    return LabelsObserved.unnamed(**{name: table[name] for name in names if name != "label_key"})


def _filled(column: NDArray[Any], rows: int) -> NDArray[Any]:
    """What was written into a column of `room_for`; one that is full is the frame's as it is."""
    return column if len(column) == rows else column[:rows].copy()


def _columns(names: tuple[str, ...], rows: NDArray[np.int64]) -> Table:
    narrow = {"resolution": np.uint8, "source": np.uint8}
    return {
        name: np.ascontiguousarray(rows[:, index]).astype(narrow.get(name, np.int64))
        for index, name in enumerate(names)
    }


def _column(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Writable and contiguous, so that the kernel is compiled for one kind of array only."""
    if type(values) is np.ndarray and values.dtype == dtype and values.flags.carray:
        return values  # as nearly always; what follows costs ten times as much
    return np.require(values, dtype, ["C", "W", "A"])
