"""API keys: hashed in a private file, checked in constant time, changed without a restart."""

import json
import math
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_system.errors import ConfigError
from serving import api_keys
from serving.api_key_command import main
from serving.api_keys import ApiKeys, Everyone
from serving.key_file import SCOPES, Scope, add_key, read_keys, revoke_key
from serving.problems import Problem

NOW_S = 1_750_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "api-keys.json"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def refusal(keys: ApiKeys, authorization: bytes | None, scope: Scope = "score") -> Problem:
    with pytest.raises(Problem) as caught:
        keys.check(authorization, scope)
    return caught.value


def bearer(key: str) -> bytes:
    return b"Bearer " + key.encode()


def test_a_key_opens_its_scopes_and_no_other(path: Path, clock: Clock) -> None:
    key = add_key(path, "shop", ["score", "label"], NOW_S)
    keys = ApiKeys(path, clock)
    assert keys.check(bearer(key), "score") == "shop"
    assert keys.check(b"bearer  " + key.encode(), "label") == "shop"  # schemes ignore case
    for scope in set(SCOPES) - {"score", "label"}:
        problem = refusal(keys, bearer(key), scope)
        assert (problem.status, problem.field) == (403, "Authorization")
        assert scope in problem.fix


def test_whatever_differs_from_a_key_is_refused(path: Path, clock: Clock) -> None:
    key = add_key(path, "shop", ["score"], NOW_S).encode()
    keys = ApiKeys(path, clock)
    identity, secret = key.split(b"_", 2)[1:]
    wrong = [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"Basic " + key,
        key,
        b"Bearer fk_" + identity,
        b"Bearer fk_" + identity + b"_",
        b"Bearer fk__" + secret,
        b"Bearer fk_00000000_" + secret,
        b"Bearer xx_" + identity + b"_" + secret,
        b"Bearer " + key[:-1],
        b"Bearer " + key + b"A",
        b"Bearer " + key.upper(),
        b"Bearer \xff\x00" + key,
    ]
    for authorization in wrong:
        problem = refusal(keys, authorization)
        assert problem.status == 401
        assert (b"www-authenticate", b'Bearer realm="fraud-system"') in problem.headers()


@pytest.fixture(scope="module")
def keys_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> ApiKeys:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    add_key(path, "nobody", ["read"], NOW_S)
    return ApiKeys(path, Clock())


@given(authorization=st.binary(max_size=200))
def test_no_bytes_are_a_traceback(keys_of_nobody: ApiKeys, authorization: bytes) -> None:
    assert refusal(keys_of_nobody, authorization).status == 401
    assert refusal(keys_of_nobody, b"Bearer fk_" + authorization).status == 401


def test_an_unknown_id_and_a_wrong_secret_do_the_same_work_and_get_the_same_answer(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = add_key(path, "shop", ["score"], NOW_S).split("_")[1].encode()
    keys = ApiKeys(path, clock)
    compared: list[tuple[int, int]] = []
    compare = api_keys.hmac.compare_digest

    def counting(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(api_keys.hmac, "compare_digest", counting)
    secret = b"A" * 43
    wrong_secret = refusal(keys, b"Bearer fk_" + identity + b"_" + secret)
    unknown_id = refusal(keys, b"Bearer fk_00000000_" + secret)
    assert wrong_secret.body() == unknown_id.body()
    assert compared == [(32, 32), (32, 32)]


def test_a_key_expires(path: Path, clock: Clock) -> None:
    key = bearer(add_key(path, "shop", ["score"], NOW_S, lifetime_s=100.0))
    keys = ApiKeys(path, clock)
    clock.now_s = NOW_S + 99.0
    assert keys.check(key, "score") == "shop"
    clock.now_s = NOW_S + 100.0
    assert "expired" in refusal(keys, key).problem


def test_keys_are_changed_under_a_running_server(path: Path, clock: Clock) -> None:
    first = add_key(path, "shop", ["score"], NOW_S)
    keys = ApiKeys(path, clock)
    second = add_key(path, "shop", ["score"], NOW_S)
    assert refusal(keys, bearer(second)).status == 401  # not looked at again yet
    clock.now_s += 1.0
    assert keys.check(bearer(second), "score") == keys.check(bearer(first), "score") == "shop"
    revoke_key(path, first.split("_")[1])
    clock.now_s += 1.0
    assert refusal(keys, bearer(first)).status == 401
    assert keys.check(bearer(second), "score") == "shop"
    assert len(keys) == 1


def test_a_clock_that_was_set_back_does_not_stop_the_changes(path: Path, clock: Clock) -> None:
    first = add_key(path, "shop", ["score"], NOW_S)
    keys = ApiKeys(path, clock)
    revoke_key(path, first.split("_")[1])
    clock.now_s -= 3_600.0
    assert refusal(keys, bearer(first)).status == 401


def test_a_file_that_became_unusable_leaves_the_last_good_keys_and_says_so(
    path: Path, clock: Clock
) -> None:
    key = bearer(add_key(path, "shop", ["score"], NOW_S))
    keys = ApiKeys(path, clock)
    good = path.read_bytes()
    path.write_bytes(b"{")
    clock.now_s += 1.0
    assert keys.check(key, "score") == "shop"
    assert keys.trouble is not None
    assert keys.trouble.field == "FRAUD_API_KEYS_FILE"
    path.unlink()
    clock.now_s += 1.0
    assert keys.check(key, "score") == "shop"
    assert keys.trouble is not None
    path.write_bytes(good)
    path.chmod(0o600)
    clock.now_s += 1.0
    assert keys.check(key, "score") == "shop"
    assert keys.trouble is None


def test_the_log_says_once_of_each_change_that_the_file_became_unusable(
    path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    add_key(path, "shop", ["score"], NOW_S)
    keys = ApiKeys(path, clock)
    good = path.read_bytes()
    caplog.set_level("INFO")

    def said_after(*, looks: int = 3) -> list[tuple[str, str]]:
        caplog.clear()
        for _ in range(looks):
            clock.now_s += 1.0
            keys.look()  # as the service does while nobody asks
        return [(each.levelname, each.getMessage()) for each in caplog.records]

    assert said_after() == []
    path.write_bytes(b"{")
    ((level, words),) = said_after()
    assert level == "WARNING"
    assert "the 1 keys that were read last go on working, also those revoked since" in words
    assert f"FRAUD_API_KEYS_FILE: {path} is damaged" in words
    path.unlink()
    ((level, words),) = said_after()
    assert level == "WARNING"
    assert "No such file" in words
    path.write_bytes(good)
    path.chmod(0o600)
    ((level, words),) = said_after()
    assert (level, words) == ("INFO", f"{path} can be used again: 1 keys")


def test_a_mode_that_lets_others_write_is_noticed_in_a_running_server(
    path: Path, clock: Clock
) -> None:
    key = bearer(add_key(path, "shop", ["score"], NOW_S))
    keys = ApiKeys(path, clock)
    path.chmod(0o666)
    clock.now_s += 1.0
    assert keys.check(key, "score") == "shop"
    assert keys.trouble is not None
    assert "may be written by others" in keys.trouble.problem


def test_the_file_is_private_and_holds_no_secret(path: Path) -> None:
    secret = add_key(path, "shop", ["score"], NOW_S).split("_", 2)[2]
    add_key(path, "other", ["read"], NOW_S)
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret not in path.read_text()
    assert [each.name for each in path.parent.iterdir()] == [path.name]  # nothing is left behind


def test_no_secret_is_in_a_repr_or_an_error(path: Path, clock: Clock) -> None:
    key = add_key(path, "shop", ["score"], NOW_S)
    secret = key.split("_", 2)[2]
    keys = ApiKeys(path, clock)
    shown = [repr(keys), repr(vars(keys)), repr(read_keys(path))]
    shown += [str(refusal(keys, bearer(key + "x"))), str(refusal(keys, bearer(key), "admin"))]
    assert not [text for text in shown if secret in text]


def test_keys_differ_also_with_equal_random_bytes_for_the_secret(path: Path) -> None:
    drawn = iter([b"\0\0\0\1", b"a" * 16, b"s" * 32, b"\0\0\0\2", b"b" * 16, b"s" * 32])
    for _ in range(2):
        add_key(path, "shop", ["score"], NOW_S, random_bytes=lambda length: next(drawn))
    first, second = read_keys(path)
    assert first.sha256 != second.sha256
    assert (first.id, second.id) == ("00000001", "00000002")


def test_an_id_that_is_taken_is_not_given_twice(path: Path) -> None:
    add_key(path, "shop", ["score"], NOW_S, random_bytes=lambda length: b"a" * length)
    with pytest.raises(ConfigError, match="taken"):
        add_key(path, "shop", ["score"], NOW_S, random_bytes=lambda length: b"a" * length)
    assert len(read_keys(path)) == 1


def _add_five(path: Path) -> None:
    for _ in range(5):
        add_key(path, "shop", ["score"], NOW_S)


def test_two_processes_that_add_keys_lose_none(path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(_add_five, [path, path]))
    assert len(read_keys(path)) == 10


@pytest.mark.parametrize(
    ("name", "scopes"), [("shop", []), ("shop", ["all"]), ("", ["score"]), ("a\n", ["score"])]
)
def test_a_wrong_name_or_scope_is_refused(path: Path, name: str, scopes: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        add_key(path, name, scopes, NOW_S)
    assert "score, label, read, admin" in caught.value.fix
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "damaged"),
        (b"[" * 100_000, "damaged"),
        (b'{"version": 2, "keys": []}', "damaged"),
        (b'{"version": 1, "keys": [{"id": "1"}]}', "damaged"),
        (b"\xff", "damaged"),
        (b" " * (1 << 20) + b" ", "too large"),
    ],
)
def test_a_damaged_file_is_refused(path: Path, content: bytes, problem: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=problem):
        ApiKeys(path)


def test_a_file_that_others_may_write_is_refused(path: Path) -> None:
    add_key(path, "shop", ["score"], NOW_S)
    path.chmod(0o660)
    with pytest.raises(ConfigError, match=r"others .*chmod 600"):
        ApiKeys(path)


def test_an_id_twice_and_a_missing_file_are_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match="make api-key"):
        ApiKeys(path)
    add_key(path, "shop", ["score"], NOW_S)
    document = json.loads(path.read_text())
    document["keys"] *= 2
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="twice"):
        ApiKeys(path)


def test_the_number_of_keys_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.key_file.MAX_KEYS", 2)
    add_key(path, "shop", ["score"], NOW_S)
    add_key(path, "shop", ["score"], NOW_S)
    with pytest.raises(ConfigError, match="2 keys already"):
        add_key(path, "shop", ["score"], NOW_S)


def test_the_command_adds_lists_and_revokes(
    path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    file = ["--file", str(path)]
    assert (
        main(["add", "--name", "shop", "--scopes", "score, read", "--days", "1", *file], clock) == 0
    )
    printed = capsys.readouterr()
    key = printed.out.strip()
    assert ApiKeys(path, clock).check(bearer(key), "read") == "shop"
    assert key not in printed.err
    clock.now_s += 86_400.0
    assert main(["list", *file], clock) == 0
    listed = capsys.readouterr().out
    identity = key.split("_")[1]
    assert f"{identity}  shop" in listed
    assert "2025-06-16 (expired)" in listed
    assert key.split("_", 2)[2] not in listed
    assert main(["revoke", "--id", identity, *file], clock) == 0
    assert read_keys(path) == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["add"],
        ["add", "--name", "shop", "--scopes", "all"],
        ["add", "--name", "shop", "--scopes", "score", "--days", "-inf"],
        ["add", "--name", "shop", "--scopes", "score", "--days", "nan"],
        ["revoke", "--id", "00000000"],
        ["list"],
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(
    path: Path,
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FRAUD_API_KEYS_FILE", str(path))
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1


def test_without_keys_everybody_may_do_everything() -> None:
    assert {Everyone().check(None, scope) for scope in SCOPES} == {"demo"}


def test_a_key_without_an_end_never_expires(path: Path, clock: Clock) -> None:
    key = bearer(add_key(path, "shop", ["score"], NOW_S, lifetime_s=math.inf))
    clock.now_s = 1e12
    assert ApiKeys(path, clock).check(key, "score") == "shop"


def test_the_temporary_file_of_a_killed_process_is_no_obstacle(path: Path) -> None:
    path.parent.mkdir()
    path.with_name(f".{path.name}.{os.getpid()}").write_text("half")
    add_key(path, "shop", ["score"], NOW_S)
    assert len(read_keys(path)) == 1
