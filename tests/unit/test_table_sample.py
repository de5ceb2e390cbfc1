"""Samples of tables: bounded, spread over the file, and the same from every kind of file."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fraud_system.errors import DataError
from pipelines.table_sample import BLOCK_ROWS, MOST_BLOCKS, MOST_FILES, sample_table


def table(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"number": np.arange(rows), "text": "x"})


def test_a_small_file_is_looked_at_whole(tmp_path: Path) -> None:
    table(2_500).to_parquet(tmp_path / "t.parquet")
    sample = sample_table(tmp_path / "t.parquet")
    assert sample.columns["number"].to_pylist() == list(range(2_500))
    assert (sample.rows, sample.of_rows, sample.files, sample.of_files) == (2_500, 2_500, 1, 1)


def test_a_large_file_is_looked_at_in_blocks_from_all_over(tmp_path: Path) -> None:
    rows = 3 * MOST_BLOCKS * BLOCK_ROWS
    table(rows).to_parquet(tmp_path / "t.parquet")
    sample = sample_table(tmp_path / "t.parquet")
    blocks = np.unique(sample.columns["number"].to_numpy() // BLOCK_ROWS)
    assert np.unique(np.diff(blocks)).tolist() == [4]
    assert blocks[0] == 0
    assert blocks[-1] >= rows // BLOCK_ROWS - 4
    assert (sample.rows, sample.of_rows) == (len(blocks) * BLOCK_ROWS, rows)
    assert sample.rows <= MOST_BLOCKS * BLOCK_ROWS


def test_every_kind_of_file_gives_the_same_sample(tmp_path: Path) -> None:
    frame = table(MOST_BLOCKS * BLOCK_ROWS + 1_500)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_pickle(tmp_path / "t.pkl", protocol=4)
    expected = sample_table(tmp_path / "t.parquet")
    assert expected.rows < len(frame) / 1.9
    for name in ("t.csv", "t.pkl"):
        found = sample_table(tmp_path / name)
        numbers = found.columns["number"].cast(pa.int64()).to_pylist()
        assert numbers == expected.columns["number"].to_pylist()
        assert (found.rows, found.of_rows) == (expected.rows, expected.of_rows)


def test_of_a_folder_the_first_and_the_last_file_and_some_between(tmp_path: Path) -> None:
    folder = tmp_path / "days"
    folder.mkdir()
    for day in range(3 * MOST_FILES):
        pd.DataFrame({"day": [day] * 3}).to_pickle(folder / f"{day:03}.pkl", protocol=4)
    sample = sample_table(folder)
    days = sorted(set(sample.columns["day"].to_pylist()))
    assert (len(days), days[0], days[-1]) == (MOST_FILES, 0, 3 * MOST_FILES - 1)
    assert max(np.diff(days)) <= 4
    assert (sample.files, sample.of_files, sample.of_rows) == (MOST_FILES, 48, 3 * MOST_FILES)


def test_columns_that_some_file_lacks_are_not_usable(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1], "b": [1]}).to_csv(tmp_path / "1.csv", index=False)
    pd.DataFrame({"b": ["x"], "c": [1]}).to_csv(tmp_path / "2.csv", index=False)
    sample = sample_table(tmp_path)
    assert list(sample.columns) == ["b"]
    assert sample.unusable == {"a": "not in 2.csv"}
    assert sample.columns["b"].to_pylist() == ["1", "x"]


def test_lines_that_are_no_rows_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a,b\n1,2\n3\n\n"4,5\n6,7\n')
    assert sample_table(tmp_path / "t.csv").columns["a"].to_pylist() == ["1", "6"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("t.csv", b"", "no rows with named columns"),
        ("t.csv", b"a,b\n", "no rows with named columns"),
        ("t.csv", b",\n1,2\n", "no rows with named columns"),
        ("t.csv.gz", b"not gzip", "cannot be read"),
        ("t.parquet", b"not parquet", "cannot be read"),
        ("t.pkl", b"not a pickle", "opcode"),
        ("t.xlsx", b"", "not a kind of file"),
    ],
)
def test_what_cannot_be_sampled(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=problem):
        sample_table(tmp_path / name)


def test_a_parquet_file_without_rows(tmp_path: Path) -> None:
    table(0).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="no rows"):
        sample_table(tmp_path / "t.parquet")
