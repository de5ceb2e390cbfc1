"""How transactions are cut into slices, by hand; and the columns that this needs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from fraud_system.events import DAY_US
from pipelines.evaluation.details import NOBODY, Details, Named, read_details
from pipelines.evaluation.dimensions import Dimension, dimensions
from pipelines.evaluation.run_files import Predictions

HOUR_US = DAY_US // 24
WEDNESDAY = 20_089  # 2025-01-01, in days since 1970
NOTHING = Details(None, None, None, None, None)


def rows_of(**columns: Any) -> Predictions:
    """Predictions in which all but the given columns are zeros."""
    size = len(next(iter(columns.values())))
    blank = {name: np.zeros(size) for name in Predictions.__slots__}
    blank |= {"is_fraud": np.zeros(size, bool), "known": np.ones(size, bool)}
    blank |= {"cluster": np.arange(size), "event_time_us": np.zeros(size, np.int64)}
    return Predictions(**blank | columns)


def cut(rows: Predictions, details: Details) -> dict[str, Dimension]:
    every = np.ones(len(rows), bool)
    return {each.name: each for each in dimensions(rows, details, every)}


def names(dimension: Dimension) -> list[str]:
    return [
        "" if place == NOBODY else dimension.slices[place].name
        for place in dimension.place.tolist()
    ]


def test_amounts_are_cut_at_their_quantiles_and_equal_amounts_stay_together() -> None:
    amount = np.concatenate([np.arange(1.0, 101.0), np.full(100, 60.0)])
    found = cut(rows_of(amount=amount), NOTHING)["amount"]
    # Quantiles 20, 40, 60, 80, 95 and 99 % of 200: 40th, 80th, ... smallest.
    assert [each.high for each in found.slices] == [40.0, 60.0, 90.0, 98.0, None]
    assert np.bincount(found.place).tolist() == [39, 20, 130, 8, 3]
    assert len(set(found.place[100:].tolist())) == 1


def test_age_of_card_by_hand() -> None:
    days = np.array([0.0, 0.5, 1.0, 6.9, 7.0, 30.0, 30.0])
    card = Named(np.array([0, 0, 0, 0, 0, 0, NOBODY]), ["a"])
    rows = rows_of(event_time_us=(days * DAY_US).astype(np.int64))
    found = cut(rows, replace(NOTHING, card=card))
    assert names(found["card_age"]) == ["-1", "-1", "1-7", "1-7", "7-30", "30-", ""]
    assert "card_age" not in cut(rows, NOTHING)


def test_a_card_is_as_old_as_its_first_event_even_if_rows_are_out_of_order() -> None:
    rows = rows_of(event_time_us=np.array([2 * DAY_US, 0]))
    found = cut(rows, replace(NOTHING, card=Named(np.zeros(2, np.int64), ["a"])))
    assert names(found["card_age"]) == ["1-7", "-1"]


def test_hours_and_weekdays() -> None:
    moment = WEDNESDAY * DAY_US + np.array([0, 3 * HOUR_US - 1, 3 * HOUR_US, DAY_US - 1, DAY_US])
    found = cut(rows_of(event_time_us=moment), NOTHING)
    assert names(found["hour"]) == ["0-3", "0-3", "3-6", "21-24", "0-3"]
    assert names(found["weekday"]) == ["wednesday"] * 4 + ["thursday"]


def test_terminals_new_or_by_thirds_of_the_traffic() -> None:
    """After the first week: 4 rows at a terminal with 4 + 1, 4 with 2 + 1 each, 4 with 1 + 1 each."""
    later = [0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 6]
    code = np.array([0, 1, 2, 3, 4, 5, 6, *later, 7])
    days = np.array([0] * 7 + [8] * 13)
    rows = rows_of(event_time_us=days * DAY_US)
    found = cut(rows, replace(NOTHING, terminal=Named(code, list("abcdefgh"))))["terminal"]
    told = ["new"] * 7 + ["busy"] * 4 + ["middle"] * 4 + ["quiet"] * 4 + ["new"]
    assert names(found) == told
    assert [(each.low, each.high) for each in found.slices[1:]] == [(None, 2), (3, 3), (4, None)]


def test_names_are_the_same_however_the_file_is_cut(run_copy: Path) -> None:
    """Row groups have dictionaries of their own; nobody is a null, an empty text, or both."""
    path = run_copy / "predictions.parquet"
    table = pd.read_parquet(path)
    table["terminal"] = table.terminal.where(np.arange(len(table)) % 3 > 0)
    table.loc[5:9, "terminal"] = ""
    table.to_parquet(path)
    whole = read_details(run_copy)
    pq.write_table(pq.read_table(path), path, row_group_size=999)
    parts = read_details(run_copy)
    assert whole.terminal is not None
    assert parts.terminal is not None
    told = table.terminal.fillna("").tolist()
    for named in (whole.terminal, parts.terminal):
        assert [named.name(row) or "" for row in range(len(table))] == told
    assert parts.fraud_kind is not None
    assert parts.fraud_kind.name(int(np.flatnonzero(table.fraud_kind == "")[0])) is None
