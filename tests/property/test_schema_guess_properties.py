"""Whatever a file holds, the schema that is guessed loads, names its columns, and reads the clean rows."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_system.errors import DataError
from fraud_system.schema import ROW_NUMBER, load_schema
from pipelines.column_profile import profile
from pipelines.make_schema import make_schema
from pipelines.readers import read_transactions
from pipelines.schema_guess import guess_roles
from pipelines.schema_text import comment, quoted, schema_text
from pipelines.table_sample import TableSample

ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
WORDS = [
    *("id", "tx_id", "Amount", "time", "card", "isFraud", "label", "terminal_id", "received_at"),
    *("customer", "mcc", "chargeback_date", "#row", " ", "", 'a"b', "a\nb", "\x7f", "[categories]"),
]
NAME = st.sampled_from(WORDS) | ANY_TEXT
ROWS = 12
VALUES = st.sampled_from(
    [
        st.integers(0, 1),
        st.integers(-(2**62), 2**62),
        st.integers(0, 10**6),
        st.integers(0, 3),
        st.floats(allow_nan=True),
        st.floats(0, 1e4),
        st.booleans(),
        ANY_TEXT,
        st.sampled_from(["web", "pos", 'a"b', "a\nb"]),
        st.sampled_from(["2020-01-01", "2020-01-02T03:04:05Z", "soon"]),
        st.datetimes().filter(lambda each: each.year > 1677),
        st.none(),
        st.lists(st.integers(0, 9), max_size=2),
    ]
)


@st.composite
def columns(draw: st.DrawFn) -> dict[str, pa.ChunkedArray]:
    made = {}
    for name in draw(st.lists(NAME, min_size=1, max_size=8, unique=True)):
        value = draw(VALUES)
        value = draw(st.sampled_from([value, st.none() | value]))
        made[name] = pa.chunked_array(
            [pa.array(draw(st.lists(value, min_size=ROWS, max_size=ROWS)))]
        )
    if draw(st.integers(0, 3)):  # three times in four there is enough to guess from
        made["tx_time"] = pa.chunked_array([pa.array(range(ROWS))])
        made["Amount"] = pa.chunked_array([pa.array([1.5] * ROWS)])
    return made


def sample_of(made: dict[str, pa.ChunkedArray], unusable: dict[str, str]) -> TableSample:
    return TableSample("t.parquet", made, unusable, ROWS, ROWS, 1, 1)


@settings(max_examples=200)
@given(made=columns(), name=ANY_TEXT, unusable=st.dictionaries(NAME, ANY_TEXT, max_size=2))
def test_every_guess_loads_and_names_columns_that_are_there(
    made: dict[str, pa.ChunkedArray], name: str, unusable: dict[str, str]
) -> None:
    usable = {k: v for k, v in made.items() if k.strip() and k != ROW_NUMBER}
    try:
        text = schema_text(sample_of(usable, unusable), "x" + name, name, name)
    except DataError as error:
        text, problem = "", error.problem
    if not text:
        assert problem.startswith("no column can be the")
        return
    schema = load_schema(text, "t.toml")
    assert schema.name == "x" + name
    names = schema.columns
    used = [names.event_time, names.amount, *schema.entities.values(), *schema.numeric]
    used += [*schema.categorical, *([names.label] if names.label else [])]
    used += [names.transaction_id] if names.transaction_id != ROW_NUMBER else []
    assert len(set(used)) == len(used)
    assert set(used) <= set(usable)
    for each in usable:
        named = quoted(each) in text or comment(f"  {quoted(each)}: ") in text
        assert named, "every column is used or named among those left out"


@given(made=columns())
def test_the_order_of_the_columns_does_not_change_the_roles(
    made: dict[str, pa.ChunkedArray],
) -> None:
    profiles = [profile(name, column) for name, column in made.items() if name.strip()]

    def roles(ordered: list[object]) -> object:
        try:
            guess = guess_roles(ordered, "t")  # type: ignore[arg-type]
        except DataError as error:
            return error.problem.split(":")[0]
        return guess.label is None, guess.time_unit is None, set(guess.entities)

    assert roles(list(profiles)) == roles(list(reversed(profiles)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guessed")


@settings(max_examples=50)
@given(
    amounts=st.lists(st.floats(0, 1e6), min_size=30, max_size=40),
    cards=st.lists(st.integers(1, 9), min_size=40, max_size=40),
    frauds=st.lists(st.booleans(), min_size=40, max_size=40),
    seconds=st.lists(st.integers(1, 10**9), min_size=40, max_size=40),
)
def test_a_clean_file_is_read_whole_by_its_guess(
    folder: Path, amounts: list[float], cards: list[int], frauds: list[bool], seconds: list[int]
) -> None:
    rows = len(amounts)
    times = np.sort(np.array(seconds[:rows])) * 1_000_000
    pq.write_table(
        pa.table(
            {
                "payment_id": [f"p{each}" for each in range(rows)],
                "paid_at_time": times.astype("datetime64[us]"),
                "amount": amounts,
                "card_id": cards[:rows],
                "fraud": [int(each) for each in frauds[:rows]],
            }
        ),
        folder / "t.parquet",
    )
    (folder / "t.toml").unlink(missing_ok=True)
    _, schema = make_schema(folder / "t.parquet", folder / "t.toml")
    read = read_transactions(folder / "t.parquet", schema)
    assert (read.rows, read.set_aside, len(read.transactions)) == (rows, [], rows)
    assert (schema.columns.transaction_id, schema.columns.amount) == ("payment_id", "amount")


@given(text=ANY_TEXT)
def test_comments_and_quotes_stay_on_their_line(text: str) -> None:
    both = f"name = {quoted('x' + text)} {comment(text)}"
    assert len(both.splitlines()) == 1 or any(each in both for each in "\x85\u2028\u2029")
    line = f'{both}\n[columns]\ntransaction_id = "a"\nevent_time = "b"\namount = "c"\n'
    assert load_schema(line, "t.toml").name == "x" + text
