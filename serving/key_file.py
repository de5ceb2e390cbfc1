"""The file of API keys: what is stored of a key, and how keys are added, listed and revoked.

A key reads `fk_<id>_<secret>`. The file holds the id, a random salt and SHA-256 of salt and secret, never the
secret. A fast hash is right here, unlike for passwords: the secret is 256 random bits, so nobody can search
for it, and slow hashes exist only to make searching for guessable secrets dear. The salt keeps equal secrets
apart.

The file is rewritten as a whole: a temporary file, synced, then renamed, under a lock; a reader sees the old
keys or the new ones. It belongs to its owner alone (mode 0600).

Rotation without a restart: add a second key of the same name, move the clients, revoke the first one.
"""

import base64
import contextlib
import fcntl
import hashlib
import math
import os
import secrets
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import msgspec

from fraud_system.durable_files import write_file
from fraud_system.errors import ConfigError
from serving.folders import make_folder, place_errors

Scope = Literal["score", "label", "read", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
MAX_KEYS: Final = 1_000
_MAX_FILE_BYTES: Final = 1 << 20
_SECRET_BYTES: Final = 32
_SALT_BYTES: Final = 16
_FIELD: Final = "FRAUD_API_KEYS_FILE"

_Bytes16 = Annotated[bytes, msgspec.Meta(min_length=_SALT_BYTES, max_length=_SALT_BYTES)]
_Bytes32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class StoredKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One key as the file holds it (bytes as base64, times in RFC 3339).

    Args:
        id: the public half, 8 hexadecimal digits.
        name: whose key it is; two keys of one name are one client that is changing keys.
        salt: 16 random bytes.
        sha256: of the salt followed by the secret.
        scopes: what the key may do.
        created: when it was made.
        expires: from when on it is refused; None: never.
    """

    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}\Z")]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[\w .:@/-]+\Z")]
    salt: _Bytes16
    sha256: _Bytes32
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1)]
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    expires: Annotated[datetime, msgspec.Meta(tz=True)] | None = None

    def expires_s(self) -> float:
        """Seconds since 1970 from when on it is refused; infinite where it does not expire."""
        return math.inf if self.expires is None else self.expires.timestamp()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    keys: Annotated[list[StoredKey], msgspec.Meta(max_length=MAX_KEYS)]


def read_keys(path: Path) -> list[StoredKey]:
    """The keys of a file.

    Raises:
        ConfigError: there is no such file, others may write it, or its content is not usable.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _unusable(f"{path}: {error.strerror}", "make a key with `make api-key`") from error
    if mode & 0o022:
        raise _unusable(f"{path} may be written by others", f"chmod 600 {path}")
    if len(content) > _MAX_FILE_BYTES:
        raise _unusable(f"{path} is too large for a file of keys", "check the path")
    try:
        keys = msgspec.json.decode(content, type=_File).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unusable(
            f"{path} is damaged: {error}", "restore it, or make the keys anew"
        ) from error
    if len({key.id for key in keys}) < len(keys):
        raise _unusable(f"{path} has an id twice", "revoke one of them")
    return keys


def add_key(
    path: Path,
    name: str,
    scopes: Collection[str],
    now_s: float,
    lifetime_s: float = math.inf,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> str:
    """Make a key and store its hash; returns the key, which is nowhere else.

    Args:
        path: the file, made if there is none.
        name: whose key it is.
        scopes: what it may do, of `SCOPES`.
        now_s: the time, seconds since 1970.
        lifetime_s: it expires so long from now.
        random_bytes: gives that many random bytes.

    Raises:
        ConfigError: a scope or the name is not allowed, the file is full or not usable.
    """
    identity, salt = random_bytes(4).hex(), random_bytes(_SALT_BYTES)
    secret = base64.urlsafe_b64encode(random_bytes(_SECRET_BYTES)).rstrip(b"=")
    expires = None if math.isinf(lifetime_s) else _moment(now_s + lifetime_s)
    stored = {
        "id": identity,
        "name": name,
        "salt": salt,
        "sha256": hashlib.sha256(salt + secret).digest(),
        "scopes": sorted(set(scopes)),
        "created": _moment(now_s),
        "expires": expires,
    }
    try:
        key = msgspec.convert(stored, StoredKey)
    except msgspec.ValidationError as error:
        fix = f"scopes are {', '.join(SCOPES)}; a name has at most 64 letters and digits"
        raise ConfigError(str(error), field="api-key", fix=fix) from error
    with _locked(path):
        keys = read_keys(path) if path.exists() else []
        if len(keys) >= MAX_KEYS:
            raise _unusable(
                f"{path} holds {MAX_KEYS} keys already", "revoke keys that are not used"
            )
        if any(each.id == identity for each in keys):
            raise ConfigError("drew an id that is taken", field="api-key", fix="try again")
        _write_keys(path, [*keys, key])
    return f"fk_{identity}_{secret.decode()}"


def revoke_key(path: Path, identity: str) -> StoredKey:
    """Take a key out of the file; returns what was taken.

    Raises:
        ConfigError: there is no such key, or the file is not usable.
    """
    with _locked(path):
        keys = read_keys(path)
        gone = [key for key in keys if key.id == identity]
        if not gone:
            raise ConfigError(f"{path} has no key {identity}", field="id", fix="list the keys")
        _write_keys(path, [key for key in keys if key.id != identity])
    return gone[0]


def _write_keys(path: Path, keys: list[StoredKey]) -> None:
    content = msgspec.json.format(msgspec.json.encode(_File(1, keys)), indent=2) + b"\n"
    write_file(path, content, mode=0o600)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time: the directory's lock, so that nothing is left behind."""
    make_folder(path.parent, _FIELD)
    with place_errors(path, _FIELD), _directory(path) as directory:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _directory(path: Path) -> Iterator[int]:
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _unusable(problem: str, fix: str) -> ConfigError:
    return ConfigError(problem, field=_FIELD, fix=fix)
