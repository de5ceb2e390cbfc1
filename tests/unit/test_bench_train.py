"""The benchmark's parts on tiny streams, and its table; nothing here is timed.

The contenders that need packages of `requirements-bench.lock` are not run: their text, their columns and
what happens without them are.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import table
from benchmarks.rounds import take_turns
from benchmarks.table import Row
from benchmarks.train import encoding, job, learning, replaying, vowpal, windows
from benchmarks.train.material import Material, learning_rows, material, replay_all
from fraud_system.ledger import MemoryLedger
from fraud_system.metrics import log_loss
from fraud_system.models.pipeline import parts

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def whole_stream() -> Material:
    return material(None, days=14)


@pytest.fixture(scope="module")
def stream(whole_stream) -> Material:
    return whole_stream.first_events(3_000)


def test_the_replay_contest_gives_a_row_for_each_contender_and_ratio(stream):
    sizes = job.Sizes(learn=500, river=20, river_all_pairs=5, rounds=2)
    rows = job.replay_contest(stream, learning_rows(stream, sizes.learn), sizes)
    assert [row.against for row in rows[:5]] == [None] * 5
    goals = [">= 4, stretch 8", ">= 1.5", ">= 4", ">= 1, stretch 2"]
    assert [row.goal for row in rows[5:]] == goals
    assert all(row.low <= row.value <= row.high for row in rows[:5])
    assert rows[5].ratio == rows[0].value / rows[4].value
    assert [row.name for row in rows[7:]] == [row.name for row in rows[2:4]]
    assert rows[3].name.endswith("and 200 products")


def test_the_learn_contest_without_vowpal_wabbit_says_so_in_one_line(
    stream, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(job, "find_spec", lambda package: None)
    sizes = job.Sizes(learn=300, river=10, river_all_pairs=2, rounds=1)
    known = learning_rows(stream, sizes.learn)
    rows = job.learn_contest(known, stream, sizes, tmp_path)
    assert [row.name for row in rows if "Vowpal" in row.name] == []
    assert [row.goal for row in rows if row.goal] == [">= 1000"] * 2
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "vowpalwabbit is not installed" in said


def test_the_replay_shows_every_labelled_transaction_to_the_streaming_scores(whole_stream):
    """Against the batch metric over what the ledger recorded."""
    served = replaying.replay_in_memory(whole_stream)()
    probability, is_fraud, first = [], {}, []
    with MemoryLedger() as ledger:
        replay_all(whole_stream, ledger)
        for frame in ledger.frames():
            if "decision" in frame.tables:
                probability += frame.tables["decision"]["probability"].tolist()
            resolved = frame.tables.get("resolved", {"ordinal": [], "resolution": []})
            for ordinal, resolution in zip(
                resolved["ordinal"], resolved["resolution"], strict=True
            ):
                if resolution in (0, 1) and ordinal not in is_fraud:
                    is_fraud[int(ordinal)] = bool(resolution == 1)
                    first.append(int(ordinal))
    chosen = np.array(probability)[first]
    labels = np.array([is_fraud[ordinal] for ordinal in first])
    assert labels.any()
    assert served.scores.rows == len(first) == whole_stream.transactions
    assert served.scores.log_loss == pytest.approx(log_loss(chosen, labels), rel=1e-12)


def test_watching_a_replay_changes_nothing(stream):
    seen, ledgers = [], []

    for observe in (None, seen.append):
        with MemoryLedger() as ledger:
            replay_all(stream, ledger, observe)
            ledgers.append(list(ledger.frames()))
    plain, watched = ledgers
    assert [frame.last_seq for frame in seen] == [frame.last_seq for frame in plain][1:]
    for left, right in zip(plain, watched, strict=True):
        for name, columns in left.tables.items():
            for column, values in columns.items():
                assert values.tobytes() == right.tables[name][column].tobytes()


def test_the_encoder_alone_gives_the_features_that_the_engine_logged(stream):
    """The two label-fed columns aside: the benchmark absorbs labels at maturity, not when reported."""
    listed = stream.settings.features
    logged = learning_rows(stream, 2_000).features
    alone = encoding.encoder(stream, listed)()[: len(logged)]
    told = ("fraud_", "legitimate_", "approved_")
    columns = [i for i, name in enumerate(listed.names) if not name.startswith(told)]
    assert len(columns) > 30
    np.testing.assert_array_equal(alone[:, columns], logged[:, columns].astype(np.float32))


def test_pandas_counts_what_can_be_counted_by_hand():
    columns = {
        "card": np.array([0, 0, 0, 1]),
        "terminal": np.array([0, 1, 0, 0]),
        "time": np.array([0, 1_800, 7_300, 7_300], "datetime64[s]").astype("datetime64[us]"),
        "amount": np.array([1.0, 2.0, 4.0, 8.0]),
    }
    whole = windows.part_of_entities(columns, every=1)
    by_card = windows.pandas_groups(whole)()
    assert by_card[0].tolist() == [1.0, 2.0, 1.0, 1.0]  # count within an hour, by card
    assert by_card[3].tolist() == [1.0, 3.0, 7.0, 8.0]  # sum within a day
    assert len(by_card) == 16
    tenth = windows.part_of_entities(columns, every=10)
    assert [len(part["amount"]) for part in tenth.values()] == [3, 3]


def test_river_learns_the_pipeline_that_the_kernel_learns(stream):
    known, settings = learning_rows(stream, 200), stream.settings.model
    assert not known.is_fraud.all()
    model = learning.river_loop(known, known.pairs, settings)()
    log_odds = learning.compiled(known, known.pairs, settings)()
    assert len(log_odds) == len(known.features)
    again = learning.river_loop(known.first(199), known.pairs, settings)()
    scaler, squash, interactions, logistic = parts(again)
    x = learning.dictionaries(known)[199]
    scaler.learn_one(x)
    terms = interactions.transform_one(squash.transform_one(scaler.transform_one(x)))
    chance = logistic.predict_proba_one(terms)[True]
    assert log_odds[199] == pytest.approx(np.log(chance / (1 - chance)), rel=1e-6)
    assert model["StandardScaler"].counts[known.names[0]] == 200


def test_vowpal_wabbit_gets_the_features_that_rivers_pipeline_would_learn(stream, tmp_path):
    known, limit = learning_rows(stream, 150), stream.settings.model.squash_limit
    given = learning.squashed(known, limit)
    model = learning.river_loop(known, (), stream.settings.model)()
    scaler, squash, _, _ = parts(model)
    last = squash.transform_one(scaler.transform_one(learning.dictionaries(known)[-1]))
    expected = [last[name] for name in known.names]
    np.testing.assert_allclose(given[-1], expected, rtol=1e-6, atol=1e-6)
    vowpal.write_text(tmp_path / "rows.vw", given, known.is_fraud)
    lines = (tmp_path / "rows.vw").read_text().splitlines()
    assert [line.split(" |f ")[0] == "1" for line in lines] == known.is_fraud.tolist()
    pairs = [pair.split(":") for pair in lines[-1].split(" |f ")[1].split(" ")]
    assert [int(name) for name, _ in pairs] == list(range(len(known.names)))
    np.testing.assert_allclose([float(value) for _, value in pairs], given[-1], rtol=1e-8)


def test_contenders_take_turns():
    order = []
    contenders = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    take_turns(contenders, rounds=2)
    assert order == ["a", "b", "a", "b"]


def test_the_table_and_the_file_hold_the_same_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    ours = table.rates("ours", "rows/s", 100.0, [1.0, 2.0, 4.0])
    theirs = Row("theirs", 25.0, "rows/s")
    both = table.compared(ours, theirs, [1.5, 2.5], ">= 8")
    path = table.write("bench-x", [ours, theirs, both], ["numpy", "no-such-package"])
    found = json.loads(path.read_text())
    assert path.name == "bench-x.json"
    assert found.keys() == {"target", "machine", "versions", "rows"}
    assert found["versions"].keys() == {"python", "numpy"}
    assert found["rows"][0] == {
        "name": "ours", "value": 50.0, "unit": "rows/s", "low": 25.0, "high": 100.0
    }  # fmt: skip
    assert found["rows"][2]["against"] == "theirs"
    assert found["rows"][2]["ratio"] == 2.0
    text = table.text([ours, both])
    assert re.search(r"ours +50 rows/s +\[25 \.\. 100\]", text)
    assert "2 x [1.5 .. 2.5]  goal >= 8   ours / theirs" in text


def test_the_benchmarks_lock_file_adds_exact_versions_only():
    lines = (ROOT / "requirements-bench.lock").read_text().splitlines()
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!]+", line) for line in lines)
    main = (ROOT / "requirements.lock").read_text().splitlines()
    assert set(lines).isdisjoint(main)
    named = re.findall(
        r'"((?:polars|vowpalwabbit)==[\d.]+)"', (ROOT / "pyproject.toml").read_text()
    )
    assert set(named) <= {*lines, *main}
    assert len(named) == 2
