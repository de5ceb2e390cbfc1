"""river's `datasets.CreditCard`: its file, as downloaded, gives the rows that river gives."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from river import datasets

from fraud_system.events import SECOND_US
from pipelines.readers import read_transactions
from pipelines.system_settings import SCHEMAS, read_schema

# As in the original: quoted names, times in R's short form, quoted classes.
NAMES = ["Time", *(f"V{place}" for place in range(1, 29)), "Amount", "Class"]
TIMES = ["0", "0", "1", "1", "2", "99999", "1e+05", "172792"]
AMOUNTS = ["149.62", "2.69", "378.66", "123.5", "69.99", "0", "1", "217"]
CLASSES = [0, 0, 1, 0, 0, 1, 0, 0]


@pytest.fixture
def downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small file where river looks for the large one."""
    monkeypatch.setenv("RIVER_DATA", str(tmp_path))
    path = Path(datasets.CreditCard().path)
    path.parent.mkdir(parents=True)
    components = np.random.default_rng(3).normal(size=(len(TIMES), 28))
    lines = [",".join(f'"{name}"' for name in NAMES)]
    for time, row, amount, kind in zip(TIMES, components, AMOUNTS, CLASSES, strict=True):
        lines.append(",".join([time, *(repr(float(v)) for v in row), amount, f'"{kind}"']))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_rows_are_those_of_river(downloaded: Path) -> None:
    schema = read_schema(SCHEMAS / "creditcard.toml")
    read = read_transactions(downloaded, schema)
    assert (read.rows, read.set_aside, read.notes, read.card) == (8, [], [], None)
    assert read.labels is not None
    frauds = set(read.labels.transaction_id.tolist())
    known = read.labels.known_time_us - 3600 * SECOND_US
    table = read.transactions
    for place, (x, y) in enumerate(datasets.CreditCard()._iter()):
        assert table.transaction_id[place] == str(place + 1).encode()
        assert table.event_time_us[place] == x["Time"] * SECOND_US
        assert table.amount[place] == x["Amount"]
        assert table.numeric[place].tolist() == [x[name] for name in schema.numeric]
        assert (table.transaction_id[place] in frauds) == bool(y)
    assert place == 7
    assert known.tolist() == [1 * SECOND_US, 99_999 * SECOND_US]


def test_the_zip_reads_like_the_file_in_it(downloaded: Path, tmp_path: Path) -> None:
    schema = read_schema(SCHEMAS / "creditcard.toml")
    with zipfile.ZipFile(tmp_path / "creditcardfraud.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(downloaded, "creditcard.csv")
        archive.writestr("__MACOSX/._creditcard.csv", b"\x00")
        archive.writestr("README", "not read")
    first, second = (
        read_transactions(path, schema).transactions
        for path in (downloaded, tmp_path / "creditcardfraud.zip")
    )
    for name, column in first.table().items():
        assert second.table()[name].tobytes() == column.tobytes()
