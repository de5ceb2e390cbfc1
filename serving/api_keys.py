"""Who may do what: the check of `Authorization: Bearer fk_<id>_<secret>` that every request passes.

The check takes about a microsecond: one SHA-256 of salt and secret (`key_file` says why a fast hash is
right), compared in constant time. An unknown id costs the same hash and the same comparison and gets the
same answer, so neither time nor words tell which ids exist. Results are not cached: it would save about a
hundredth of a request and keep secrets in memory.

The file is looked at again at most once a second, by requests and by the service's own watch, so that keys
are added and revoked without a restart. Where it became unusable the last good keys stay, because a scorer
that refuses everybody stops all payments; the log says so once, and `trouble` until it is mended, for the
metrics, the page and the alerts.
"""

import hashlib
import hmac
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from fraud_system.errors import ConfigError
from serving.key_file import Scope, StoredKey, read_keys
from serving.problems import Problem

LOGGER = logging.getLogger(__name__)
_LOOK_AGAIN_S: Final = 1.0
_NO_SALT: Final = bytes(16)
_NO_HASH: Final = bytes(32)


class Door(Protocol):
    """Lets a request in or raises a 401 or 403 problem."""

    trouble: ConfigError | None

    def check(self, authorization: bytes | None, scope: Scope) -> str:
        """The name of the caller."""
        ...

    def allows(self, key_id: bytes, scope: Scope) -> bool:
        """Whether the key of this id, which was checked before, may still do so."""
        ...

    def look(self) -> None:
        """Take note of what has changed, also while nobody asks."""
        ...


class Everyone:
    """The demo's door: whoever reaches the loopback address may do everything.

    >>> Everyone().check(None, "admin")
    'demo'
    """

    trouble: ConfigError | None = None

    def check(self, authorization: bytes | None, scope: Scope) -> str:
        """Always in."""
        return "demo"

    def allows(self, key_id: bytes, scope: Scope) -> bool:
        """Always in."""
        return True

    def look(self) -> None:
        """There is nothing to look at."""


class _Known:
    """A stored key, ready for the check; its repr shows neither salt nor hash."""

    __slots__ = ("expires_s", "name", "salt", "scopes", "sha256")

    def __init__(self, key: StoredKey) -> None:
        self.name = key.name
        self.salt = key.salt
        self.sha256 = key.sha256
        self.scopes = frozenset(key.scopes)
        self.expires_s = key.expires_s()


class ApiKeys:
    """The keys of a file.

    Args:
        path: written by `key_file`.
        clock: gives the time, seconds since 1970.

    Raises:
        ConfigError: the file is not usable.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.trouble: ConfigError | None = None
        self._path = path
        self._clock = clock
        self._looked_s = clock()
        self._version = _version_of(path)
        self._keys = _by_id(read_keys(path))

    def check(self, authorization: bytes | None, scope: Scope) -> str:
        """The name of the key's owner.

        Args:
            authorization: the header's value, None where there is none.
            scope: what the request needs.

        Raises:
            Problem: 401 without a valid key, 403 where the key lacks the scope.
        """
        now_s = self._look_at(self._clock())
        if authorization is None:
            raise _refused("the request has no API key")
        scheme, _, token = authorization.partition(b" ")
        parts = token.strip().split(b"_", 2)
        if scheme.lower() != b"bearer" or len(parts) != 3 or parts[0] != b"fk":
            raise _refused("the header is not of the form Bearer fk_<id>_<secret>")
        key = self._keys.get(parts[1])
        salt, expected = (_NO_SALT, _NO_HASH) if key is None else (key.salt, key.sha256)
        if (
            not hmac.compare_digest(hashlib.sha256(salt + parts[2]).digest(), expected)
            or key is None
        ):
            raise _refused("the API key is not known")
        if now_s >= key.expires_s:
            raise _refused("the API key has expired")
        if scope not in key.scopes:
            raise Problem(
                403,
                f"the API key lacks the scope {scope}",
                field="Authorization",
                fix=f"use a key with the scope {scope}",
            )
        return key.name

    def allows(self, key_id: bytes, scope: Scope) -> bool:
        """Whether the key of this id, which was checked before, may still do so."""
        now_s = self._look_at(self._clock())
        key = self._keys.get(key_id)
        return key is not None and now_s < key.expires_s and scope in key.scopes

    def look(self) -> None:
        """Read the file again if it has changed."""
        self._look_at(self._clock())

    def __len__(self) -> int:
        return len(self._keys)

    def _look_at(self, now_s: float) -> float:
        """Look at the file, but not more often than once a second; returns the time."""
        if not 0.0 <= now_s - self._looked_s < _LOOK_AGAIN_S:  # also when the clock was set back
            self._look_again(now_s)
        return now_s

    def _look_again(self, now_s: float) -> None:
        self._looked_s = now_s
        before, self.trouble = self.trouble, None
        try:
            version = _version_of(self._path)
            if version != self._version:
                self._keys = _by_id(read_keys(self._path))
                self._version = version
        except ConfigError as error:
            self.trouble = error
        if str(self.trouble) == str(before):  # said already
            return
        if self.trouble is None:
            LOGGER.info("%s can be used again: %s keys", self._path, len(self))
        else:
            LOGGER.warning(
                "the %s keys that were read last go on working, also those revoked since: %s",
                len(self),
                self.trouble,
            )


def _version_of(path: Path) -> tuple[int, int, int]:
    """What changes when the file does."""
    try:
        status = os.stat(path)  # noqa: PTH116  half the time of Path.stat
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}",
            field="FRAUD_API_KEYS_FILE",
            fix="make a key with `make api-key`",
        ) from error
    # Of a change of the mode the inode tells; the file's content may have a time that was set by hand.
    return status.st_ctime_ns, status.st_size, status.st_ino


def _by_id(keys: list[StoredKey]) -> dict[bytes, _Known]:
    return {key.id.encode(): _Known(key) for key in keys}


def _refused(problem: str) -> Problem:
    fix = "send Authorization: Bearer and a key; the operator makes them with `make api-key`"
    return Problem(401, problem, field="Authorization", fix=fix)
