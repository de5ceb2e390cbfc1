"""Frames to Parquet and back to the same bytes; what may be dropped, and what is left proves itself."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scorer_files import scorer, scorer_settings, serving

from fraud_system import replay
from fraud_system.errors import ArtefactError, ConfigError, CorruptFrame, LedgerError
from fraud_system.events import Frame
from fraud_system.ledger import MemoryLedger, SqliteLedger, encode_frame
from fraud_system.merged_frames import joined
from fraud_system.recovery import recover_engine
from serving.operations import archive as archive_module
from serving.operations.archive import Archive, in_spans
from serving.operations.archive_tables import from_arrow, to_arrow
from serving.operations.dropping import archived_before, drop_in_steps
from serving.operations.ledger_files import LedgerFiles
from serving.operations.retention import DAY_S, kept_s, least_kept_s, needed_from
from serving.operations.whole_ledger import WholeLedger

SETTINGS = scorer_settings()
LABELS = SETTINGS.labels


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> LedgerFiles:
    """Files of a scorer; not to be changed."""
    return scorer(tmp_path_factory.mktemp("scorer"))


@pytest.fixture
def files(stopped: LedgerFiles, tmp_path: Path) -> LedgerFiles:
    """The same, to be changed."""
    return LedgerFiles(
        Path(shutil.copytree(stopped.ledger.parent, tmp_path / "s")) / "ledger.sqlite"
    )


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def recorded(ledger: object) -> list[bytes]:
    return [encode_frame(frame) for frame in ledger.frames()]  # type: ignore[attr-defined]


def write(archive: Archive, files: LedgerFiles, before: int | None = None) -> int:
    """Archive what the command would, or all frames before a seq."""
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        stop = needed_from(ledger, least_kept_s(LABELS)) if before is None else before
        list(archive.append(frame for frame in ledger.frames() if frame.last_seq < stop))
    return stop


def drop(archive: Archive, files: LedgerFiles) -> int:
    with SqliteLedger(files.ledger) as ledger:
        for _ in drop_in_steps(ledger, archived_before(ledger, archive, LABELS)):
            pass
        return ledger.first_seq


def odd_frames() -> list[Frame]:
    """What a ledger may hold and Parquet could spoil."""
    nans = np.array([0x7FF8000000000001, 0xFFF8000000000002, 0x7FF0000000000001], np.uint64)
    table = {
        "seq": np.arange(1, 4),
        "ids": np.array([b"a\0b", b"\xff\xfe", b""], "S9"),
        "keys": np.array([2**64 - 1, 0, 2**63], np.uint64),
        "flags": np.array([True, False, True]),
        "nans": nans.view(np.float64),
        "zeros": np.array([0.0, -0.0, 0.0], np.float32),
        "cube": np.arange(24, dtype=np.int16).reshape(3, 2, 4),
        "narrow": np.zeros((3, 0)),
    }
    other = {name: np.roll(column[:2], 1, axis=0) for name, column in table.items()}
    other |= {"seq": np.array([4, 5]), "ids": np.array([b"x", b"yz"], "S2")}
    tick = {"tick": {"seq": np.array([6]), "known_time_us": np.array([-1])}}
    empty = {"odd": {name: column[:0] for name, column in table.items()}}
    return [
        Frame(1, 3, 7, {"odd": table}),
        Frame(4, 5, 8, {"odd": other}),
        Frame(6, 6, 9, tick),
        Frame(7, 7, 9, empty),
    ]


def test_odd_columns_come_back_byte_for_byte(archive: Archive) -> None:
    frames = odd_frames()
    (span,) = archive.append(frames)
    assert [encode_frame(f) for f in archive.frames(span)] == [encode_frame(f) for f in frames]


def test_all_frames_of_a_scorer_come_back_byte_for_byte(
    files: LedgerFiles, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "SPAN_EVENTS", 300)
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        spans = list(archive.append(ledger.frames()))
        again = [encode_frame(frame) for span in archive.spans() for frame in archive.frames(span)]
        assert again == recorded(ledger)
    assert len(spans) > 3
    assert archive.spans() == spans
    tables = {path.name.split("-")[0] for path in archive.folder.glob("*.parquet")}
    assert {"transaction", "decision", "label", "resolved", "published", "frames"} <= tables


def test_other_tools_can_read_the_archive(files: LedgerFiles, archive: Archive) -> None:
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        (span,) = archive.append(ledger.frames())
        table = joined(ledger.frames())
    read = pq.read_table(archive.folder / span.tables["transaction"].name).to_pydict()
    assert read["transaction_id"] == table["transaction"]["transaction_id"].astype(str).tolist()
    assert read["amount"] == table["transaction"]["amount"].tolist()
    read = pq.read_table(archive.folder / span.tables["decision"].name).to_pydict()
    assert read["features"] == table["decision"]["features"].tolist()


def test_a_span_holds_frames_of_one_form() -> None:
    wide, narrow = np.zeros((1, 3)), np.zeros((1, 2))
    frames = [
        Frame(seq, seq, 0, {"t": {"seq": np.array([seq]), "x": column}})
        for seq, column in enumerate([wide, wide, narrow, narrow, wide], start=1)
    ]
    frames.insert(1, Frame(2, 2, 0, {"tick": {"seq": np.array([2])}}))
    assert [len(part) for part in in_spans(frames)] == [3, 2, 1]


@pytest.fixture(scope="module")
def in_memory() -> MemoryLedger:
    """A shorter stream; not to be changed."""
    ledger = MemoryLedger()
    for _ in serving(ledger, SETTINGS, 400):
        pass
    return ledger


@pytest.mark.parametrize("hours", [0, 12, 20, 24, 26, 28, 30, 1000])
def test_what_is_needed_against_a_search_through_everything(
    in_memory: MemoryLedger, hours: int
) -> None:
    """The last place that splits the frames so that nothing on the right needs anything on the left."""
    frames = list(in_memory.frames())
    since_us = frames[-1].known_time_us - hours * 3_600_000_000

    def may_go(seq: int) -> bool:
        left = [frame for frame in frames if frame.last_seq < seq]
        right = [frame for frame in frames if frame.last_seq >= seq]
        published, version = {-1}, -1
        for frame in frames:
            if "published" in frame.tables:
                version = int(frame.tables["published"]["version"][0])
                published |= {version} if frame in right else set()
            if frame in right and version not in published:
                return False
        young = any(frame.known_time_us >= since_us for frame in left)
        return not young and seq <= in_memory.needed_from_seq

    assert needed_from(in_memory, hours * 3_600) == max(
        f.first_seq for f in frames if may_go(f.first_seq)
    )


def test_a_server_that_dropped_what_is_archived(files: LedgerFiles, archive: Archive) -> None:
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        whole, last_seq = recorded(ledger), ledger.last_seq
        folds = recover_engine(SETTINGS, ledger).to_arrays()
    stop = write(archive, files)
    assert 1 < stop < last_seq
    assert drop(archive, files) == stop
    assert drop(archive, files) == stop, "a second time does nothing"
    with SqliteLedger(files.ledger) as ledger:
        assert recorded_from(ledger, stop) == whole[-len(recorded_from(ledger, stop)) :]
        again = recover_engine(SETTINGS, ledger).to_arrays()
        assert all(again[name].tobytes() == column.tobytes() for name, column in folds.items())
        replay.recover(SETTINGS, ledger)
        with pytest.raises(LedgerError, match="archived"):
            list(replay.verify(SETTINGS, ledger))
        both = WholeLedger(ledger, archive)
        assert recorded(both) == whole
        assert list(replay.verify(SETTINGS, both))[-1] == last_seq
        assert encode_frame(both.frame_at(5)) in whole
        versions = {
            int(version)
            for frame in ledger.frames(stop - 1)
            if "decision" in frame.tables
            for version in frame.tables["decision"]["weights_version"]
        }
        assert all(ledger.publication_seq(version) for version in versions), (
            "answers can be repeated"
        )


def recorded_from(ledger: SqliteLedger, seq: int) -> list[bytes]:
    return [encode_frame(frame) for frame in ledger.frames(seq - 1)]


def test_the_archive_goes_on_where_it_ended(files: LedgerFiles, archive: Archive) -> None:
    write(archive, files, before=300)
    first = archive.spans()
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        with pytest.raises(LedgerError, match="goes on at"):
            list(archive.append(ledger.frames()))
        after = first[-1].last_seq
        stop = needed_from(ledger, least_kept_s(LABELS))
        list(archive.append(f for f in ledger.frames(after) if f.last_seq < stop))
    assert archive.spans()[: len(first)] == first
    assert drop(archive, files) == archive.spans()[-1].last_seq + 1 == stop


def test_a_drop_that_was_cut_off_goes_on(files: LedgerFiles, archive: Archive) -> None:
    stop = write(archive, files)
    with SqliteLedger(files.ledger) as ledger:
        assert ledger.drop_before(stop, at_most_events=100)
        assert 1 < ledger.first_seq < stop
    assert drop(archive, files) == stop


def test_nothing_within_the_horizon_is_dropped_whatever_the_archive_holds(
    files: LedgerFiles, archive: Archive
) -> None:
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        list(archive.append(ledger.frames()))
        assert archived_before(ledger, archive, LABELS) == 1, "the only span reaches too far"


@pytest.mark.parametrize("harm", ["flip", "remove", "manifest", "gap", "other ledger"])
def test_nothing_is_dropped_for_a_damaged_archive(
    files: LedgerFiles, archive: Archive, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "SPAN_EVENTS", 300)
    write(archive, files)
    span = archive.spans()[1]
    path = archive.folder / span.tables["transaction"].name
    if harm == "flip":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif harm == "remove":
        path.unlink()
    elif harm == "manifest":
        (archive.folder / f"frames-{span.place}.json").write_text("{}")
    elif harm == "gap":
        (archive.folder / f"frames-{span.place}.json").unlink()
    else:
        frames = [f for each in archive.spans() for f in archive.frames(each)]
        shutil.rmtree(archive.folder)
        frames[0].tables["published"]["weight"] = frames[0].tables["published"]["weight"] + 1.0
        list(archive.append(frames))
    with pytest.raises(ArtefactError):
        drop(archive, files)
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        assert ledger.first_seq == 1


def test_rows_that_were_changed_are_found_even_with_right_checksums() -> None:
    tables = to_arrow(odd_frames())
    list(from_arrow(tables))
    odd = tables["odd"].to_pydict()
    changed = tables | {
        "odd": tables["odd"].set_column(0, "cube", tables["odd"]["cube"].take([1, 0, 2, 3, 4]))
    }
    assert odd["cube"][0] != odd["cube"][1]
    with pytest.raises(CorruptFrame, match="recorded bytes"):
        list(from_arrow(changed))
    longer = tables | {"tick": tables["tick"].take([0, 0])}
    with pytest.raises(CorruptFrame, match="belong to no frame"):
        list(from_arrow(longer))


def test_two_writers_of_one_archive_are_refused(archive: Archive) -> None:
    first = archive.append(odd_frames()[:1])
    next(first)
    with pytest.raises(LedgerError, match="another process writes"):
        list(archive.append(odd_frames()[1:]))


def test_what_a_dead_process_left_is_removed(files: LedgerFiles, archive: Archive) -> None:
    write(archive, files, before=300)
    kept = {path.name for path in archive.folder.iterdir()}
    (archive.folder / "transaction-1-2.parquet").write_bytes(b"a part")
    archive.remove_unnamed()
    assert {path.name for path in archive.folder.iterdir()} == kept


def test_without_a_snapshot_of_the_monitors_nothing_may_go(files: LedgerFiles) -> None:
    for path in files.snapshots.glob("monitor-*"):
        path.unlink()
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        assert needed_from(ledger, least_kept_s(LABELS)) == 1


def test_an_incomplete_archive_is_no_whole(files: LedgerFiles, archive: Archive) -> None:
    write(archive, files)
    drop(archive, files)
    with (
        SqliteLedger(files.ledger, read_only=True) as ledger,
        pytest.raises(ArtefactError, match="does not hold the events 1 to"),
    ):
        WholeLedger(ledger, Archive(files.ledger.parent / "elsewhere"))


def test_days_below_the_horizon_are_refused() -> None:
    least_s = LABELS.horizon_s + LABELS.orphan_wait_s
    assert kept_s(LABELS, None) == least_kept_s(LABELS) == least_s
    assert kept_s(LABELS, 2.0) == 2 * DAY_S
    for days in (0.25, -1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="DAYS"):
            kept_s(LABELS, days)
