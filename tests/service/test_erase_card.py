"""A card is erased: nothing of it is left in any file, and everything else is as it was recorded."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scorer_files import scorer, scorer_settings

from fraud_system import replay
from fraud_system.engine import Engine
from fraud_system.errors import ConfigError, CorruptFrame, FraudSystemError, LedgerError
from fraud_system.events import Frame, Table
from fraud_system.hashing import mix_with
from fraud_system.keys import key_of
from fraud_system.ledger import SqliteLedger, encode_frame, sqlite, sqlite_file
from fraud_system.merged_frames import joined
from fraud_system.recovery import recover_engine
from serving.answers import Answers
from serving.operations import erase as erase_module
from serving.operations.archive import Archive
from serving.operations.dropping import archived_before, drop_in_steps
from serving.operations.erase import erase, resume
from serving.operations.ledger_files import LedgerFiles
from serving.operations.retention import least_kept_s, needed_from
from serving.operations.whole_ledger import WholeLedger
from serving.problems import Problem
from serving.records import Records
from serving.system import prepare

SETTINGS = scorer_settings()
NEW_KEY = 0x0123456789ABCDEF
KEPT = ("transaction_id", "entity_keys")  # the columns in which something is erased


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> LedgerFiles:
    """Files of a scorer; not to be changed."""
    return scorer(tmp_path_factory.mktemp("scorer"))


@pytest.fixture(scope="module")
def trimmed(stopped: LedgerFiles, tmp_path_factory: pytest.TempPathFactory) -> LedgerFiles:
    """The same, of which the older part is in an archive; not to be changed."""
    folder = shutil.copytree(stopped.ledger.parent, tmp_path_factory.mktemp("t") / "trimmed")
    files = LedgerFiles(Path(folder) / "ledger.sqlite")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "connected", careless)
        ledger = SqliteLedger(files.ledger)
    with ledger:
        stop = needed_from(ledger, least_kept_s(SETTINGS.labels))
        archive = archive_of(files)
        list(archive.append(frame for frame in ledger.frames() if frame.last_seq < stop // 2))
        after = archive.spans()[-1].last_seq
        list(archive.append(f for f in ledger.frames(after) if f.last_seq < stop))
        for _ in drop_in_steps(ledger, archived_before(ledger, archive, SETTINGS.labels)):
            pass
        assert ledger.first_seq > 1
    return files


def careless(path: Path, mode: str) -> sqlite3.Connection:
    """As some builds of SQLite do it: what is deleted stays in free pages."""
    connection = sqlite_file.connected(path, mode)
    connection.execute("PRAGMA secure_delete = OFF")
    return connection


def archive_of(files: LedgerFiles) -> Archive:
    return Archive(files.ledger.parent / "archive")


def copied(files: LedgerFiles, tmp_path: Path) -> LedgerFiles:
    return LedgerFiles(Path(shutil.copytree(files.ledger.parent, tmp_path / "s")) / "ledger.sqlite")


def whole_of(files: LedgerFiles) -> list[Frame]:
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        return list(WholeLedger(ledger, archive_of(files)).frames())


def verified(files: LedgerFiles) -> int:
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        return list(replay.verify(SETTINGS, WholeLedger(ledger, archive_of(files))))[-1]


class Card:
    """A card with reports about its transactions, and all that could betray it."""

    def __init__(self, frames: list[Frame]) -> None:
        tables = joined(frames)
        transactions, labels = tables["transaction"], tables["label"]
        reported = np.isin(transactions["transaction_key"], labels["transaction_key"])
        keys = Counter(transactions["entity_keys"][reported, 0].tolist())
        self.key = keys.most_common(1)[0][0]
        names = (f"card-{number:06d}" for number in range(100_000))
        self.name = next(name for name in names if key_of(name) == self.key)
        rows = transactions["entity_keys"][:, 0] == self.key
        self.transaction_ids = transactions["transaction_id"][rows].tolist()
        self.count = len(self.transaction_ids)
        self.betraying = [self.key.to_bytes(8, "little"), self.key.to_bytes(8, "big")]
        self.betraying += [self.name.encode(), *self.transaction_ids]
        in_snapshots = int(mix_with(np.uint64(self.key), 0))
        self.betraying.append(in_snapshots.to_bytes(8, "little"))


@pytest.fixture(scope="module")
def card(stopped: LedgerFiles) -> Card:
    return Card(whole_of(stopped))


def found_in(folder: Path, texts: list[bytes]) -> dict[str, list[bytes]]:
    """Which of the texts are in which files, whatever the files are."""
    contents = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    hits = {name: [text for text in texts if text in data] for name, data in contents.items()}
    return {name: each for name, each in hits.items() if each}


def decoded(archive: Archive) -> bytes:
    """What compression would hide."""
    return b"".join(encode_frame(f) for span in archive.spans() for f in archive.frames(span))


def differing(before: Table, after: Table) -> set[str]:
    return {name for name in before if before[name].tobytes() != after[name].tobytes()}


@pytest.mark.parametrize("kind", ["stopped", "trimmed"])
def test_nothing_is_left_and_everything_else_is_as_it_was(
    kind: str, card: Card, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    files = copied(request.getfixturevalue(kind), tmp_path)
    folder, archive = files.ledger.parent, archive_of(files)
    before = whole_of(files)
    assert verified(files) == before[-1].last_seq
    assert card.key.to_bytes(8, "little") in files.ledger.read_bytes() + decoded(archive)
    names = [path.name for path in files.snapshot_files() if path.name.startswith("engine")]
    assert names[-1] in found_in(folder, card.betraying), "snapshots hold the key, in another form"

    done = erase(files, archive, "card", card.name, NEW_KEY)

    assert done.transactions == card.count > 3
    assert (done.spans > 0) == (kind == "trimmed")
    assert done.same_key == 0
    assert found_in(folder, card.betraying) == {}, "in no file, no free page, no log"
    assert not any(text in decoded(archive) for text in card.betraying)
    assert not files.erasure.exists()

    after = whole_of(files)
    assert verified(files) == before[-1].last_seq, "it replays to the same bytes as it is now"
    left, right = joined(before), joined(after)
    assert left.keys() == right.keys()
    for name in left:
        expected = {"transaction": set(KEPT), "label": {KEPT[0]}}.get(name, set())
        assert differing(left[name], right[name]) == expected, name
    theirs = left["transaction"]["entity_keys"][:, 0] == card.key
    keys, texts = right["transaction"]["entity_keys"], right["transaction"]["transaction_id"]
    assert set(keys[theirs, 0].tolist()) == {NEW_KEY}
    assert set(texts[theirs].tolist()) == {b""}
    assert (texts[~theirs] == left["transaction"]["transaction_id"][~theirs]).all()
    assert (keys[~theirs] == left["transaction"]["entity_keys"][~theirs]).all()
    assert (keys[:, 1] == left["transaction"]["entity_keys"][:, 1]).all(), "terminals stay"


def test_a_server_goes_on_afterwards(trimmed: LedgerFiles, card: Card, tmp_path: Path) -> None:
    files = copied(trimmed, tmp_path)
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        place = ledger.seq_of(key_of(card.transaction_ids[-1].decode()))
    erase(files, archive_of(files), "card", card.name, NEW_KEY)
    with SqliteLedger(files.ledger) as ledger:
        assert ledger.seq_of(key_of(card.transaction_ids[-1].decode())) == place
        found = [ledger.latest_snapshot(name) for name in ("engine", "learner", "monitor")]
        assert [each and each[0] for each in found] == [ledger.last_seq] * 3
        engine, _ = replay.recover(SETTINGS, ledger)
    again = recover_engine(SETTINGS, whole_memory(files))
    assert {n: c.tobytes() for n, c in engine.to_arrays().items()} == {
        n: c.tobytes() for n, c in again.to_arrays().items()
    }


def test_a_repetition_of_an_erased_transaction_is_another_content(
    stopped: LedgerFiles, card: Card, tmp_path: Path
) -> None:
    files = copied(stopped, tmp_path)
    sent = joined(whole_of(files))["transaction"]
    row = int(np.flatnonzero(sent["entity_keys"][:, 0] == card.key)[0])
    erase(files, archive_of(files), "card", card.name, NEW_KEY)
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        records = Records(ledger, Engine(SETTINGS), Answers(SETTINGS))
        answer = records.first_answer(int(sent["transaction_key"][row]), sent, row)
        assert isinstance(answer, Problem)
        assert answer.status == 409
        shown = records.explanation(int(sent["transaction_key"][row]), None)
        assert shown is not None
        assert shown.decision.transaction_id == ""
        assert shown.entities["card"] == f"{NEW_KEY:016x}"


def whole_memory(files: LedgerFiles) -> WholeLedger:
    return WholeLedger(SqliteLedger(files.ledger, read_only=True), archive_of(files))


class Killed(Exception):
    """The process ends here."""


def dies_at(step: str) -> Callable[[str], None]:
    def progress(now: str) -> None:
        if now == step:
            raise Killed

    return progress


def dies_in(monkeypatch: pytest.MonkeyPatch, name: str, after_calls: int) -> None:
    """Let a part of the work fail from some call on."""
    real, calls = getattr(erase_module, name), []

    def dying(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) > after_calls:
            raise Killed
        return real(*arguments)

    monkeypatch.setattr(erase_module, name, dying)


@pytest.mark.parametrize(
    "place", ["in the archive", "in the ledger", "before it is anew", "making new snapshots"]
)
def test_what_was_cut_off_is_finished(
    place: str, trimmed: LedgerFiles, card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = copied(trimmed, tmp_path)
    archive, frames = archive_of(files), len(whole_of(files))
    archived = sum(1 for span in archive.spans() for _ in archive.frames(span))
    dying = {
        "in the archive": ("erased", archived // 2),
        "in the ledger": ("erased", (archived + frames) // 2),
        "before it is anew": ("_write_anew", 0),
    }
    with monkeypatch.context() as patch:
        if place in dying:
            dies_in(patch, *dying[place])
        with pytest.raises(Killed):
            erase(files, archive, "card", card.name, NEW_KEY, dies_at(place))
    assert files.erasure.exists()
    assert files.erasure.stat().st_mode & 0o077 == 0
    if place == "before it is anew":
        assert found_in(files.ledger.parent, card.betraying).keys() == {files.ledger.name}
    with pytest.raises(LedgerError, match="cut off"):
        erase(files, archive, "card", "another", NEW_KEY)
    with pytest.raises(LedgerError, match="cut off"):
        prepare(files.ledger)  # as a server does when it starts

    assert resume(files, archive).transactions == card.count
    assert found_in(files.ledger.parent, card.betraying) == {}
    assert not any(text in decoded(archive) for text in card.betraying)
    assert verified(files) == whole_of(files)[-1].last_seq
    with pytest.raises(LedgerError, match="no erasure was cut off"):
        resume(files, archive)


def unchanged(
    files: LedgerFiles, attempt: Callable[[], object], error: type[Exception], match: str
) -> None:
    """It is refused, and no byte has changed."""

    def content() -> dict[str, bytes]:
        paths = [path for path in files.ledger.parent.rglob("*") if path.is_file()]
        return {
            str(p): p.read_bytes() for p in paths if p.name[-4:] not in ("-wal", "-shm", "iter")
        }

    before = content()
    with pytest.raises(error, match=match):
        attempt()
    assert {
        name: data for name, data in content().items() if not name.endswith("-writer")
    } == before


def test_what_is_refused_changes_nothing(trimmed: LedgerFiles, card: Card, tmp_path: Path) -> None:
    files = copied(trimmed, tmp_path)
    archive = archive_of(files)

    def attempt(**changes: object) -> Callable[[], object]:
        given = {"archive": archive, "entity": "card", "card": card.name} | changes
        return lambda: erase(files, new_key=NEW_KEY, **given)  # type: ignore[arg-type]

    unchanged(files, attempt(card="card-unheard-of"), LedgerError, "no transaction of it")
    unchanged(files, attempt(entity="customer"), ConfigError, "ENTITY")
    elsewhere = Archive(tmp_path / "elsewhere")
    unchanged(files, attempt(archive=elsewhere), FraudSystemError, "does not hold the events 1 to")
    with SqliteLedger(files.ledger):
        unchanged(files, attempt(), LedgerError, "has a writer")
    path = archive.folder / archive.spans()[0].tables["decision"].name
    path.write_bytes(path.read_bytes()[:-1])
    unchanged(files, attempt(), FraudSystemError, "is not what was written")


def test_a_damaged_ledger_is_refused(stopped: LedgerFiles, card: Card, tmp_path: Path) -> None:
    files = copied(stopped, tmp_path)
    with sqlite3.connect(files.ledger) as connection:
        connection.execute("UPDATE frames SET data = zeroblob(200) WHERE first_seq = 1")
    connection.close()
    attempt = lambda: erase(files, archive_of(files), "card", card.name, NEW_KEY)  # noqa: E731
    unchanged(files, attempt, CorruptFrame, "record")


def test_no_room_no_erasure(
    stopped: LedgerFiles, card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = copied(stopped, tmp_path)
    monkeypatch.setattr(erase_module, "_ROOM", 1e12)
    attempt = lambda: erase(files, archive_of(files), "card", card.name, NEW_KEY)  # noqa: E731
    unchanged(files, attempt, LedgerError, "bytes free")


def test_a_reader_that_holds_the_log_is_named_and_the_erasure_goes_on_later(
    stopped: LedgerFiles, card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.05)
    files = copied(stopped, tmp_path)
    reading = sqlite3.connect(f"{files.ledger.as_uri()}?mode=ro", uri=True, isolation_level=None)
    reading.execute("BEGIN")
    reading.execute("SELECT count(*) FROM frames").fetchall()
    with pytest.raises(LedgerError, match="another process reads"):
        erase(files, archive_of(files), "card", card.name, NEW_KEY)
    reading.close()
    resume(files, archive_of(files))
    assert found_in(files.ledger.parent, card.betraying) == {}


def test_another_entity_of_the_same_text_is_left_and_said(
    stopped: LedgerFiles, card: Card, tmp_path: Path
) -> None:
    """A terminal that is called as the card is has the same key, and is not the card."""
    files = copied(stopped, tmp_path)
    with SqliteLedger(files.ledger) as ledger:
        frame = next(f for f in ledger.frames() if "transaction" in f.tables)
    table = dict(frame.tables["transaction"])
    table["entity_keys"] = table["entity_keys"].copy()
    table["entity_keys"][0, 1] = card.key
    changed = Frame(
        frame.first_seq, frame.last_seq, frame.known_time_us, {**frame.tables, "transaction": table}
    )
    with sqlite3.connect(files.ledger) as connection:
        connection.execute(
            "UPDATE frames SET data = ? WHERE first_seq = ?",
            (encode_frame(changed), frame.first_seq),
        )
    connection.close()
    done = erase(files, archive_of(files), "card", card.name, NEW_KEY)
    assert done.same_key == 1
