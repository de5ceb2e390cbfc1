"""Who is signed in to the page: random ids in bounded memory, in cookies that scripts cannot read.

A browser that opens a page sends no `Authorization` header, so a key is given once, in a form, and exchanged
for a cookie. The key is checked and forgotten; the cookie opens what the scope `read` does, never more. Of
the ids only hashes are kept. A restart signs everybody out. A key that is revoked ends its sessions.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

COOKIE: Final = "fraud_session"
LASTS_S: Final = 8 * 3600
MOST: Final = 256


@dataclass(frozen=True)
class _Session:
    ends_s: float
    still_valid: Callable[[], bool]


class Sessions:
    """The open ones; when there are too many the oldest ends.

    Args:
        clock: seconds, never going back.
        make_id: of a session.

    >>> sessions = Sessions(clock=lambda: 0.0)
    >>> made = sessions.begin(lambda: True)
    >>> sessions.is_open(made), sessions.is_open("guessed"), sessions.is_open("")
    (True, False, False)
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        make_id: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        self._clock, self._make_id = clock, make_id
        self._open: dict[bytes, _Session] = {}

    def begin(self, still_valid: Callable[[], bool]) -> str:
        """The id of a new session.

        Args:
            still_valid: whether the key that it was opened with still is.
        """
        made = self._make_id()
        self._open[_hash(made)] = _Session(self._clock() + LASTS_S, still_valid)
        if len(self._open) > MOST:
            del self._open[next(iter(self._open))]
        return made

    def is_open(self, sent: str) -> bool:
        """Whether somebody with this id may read."""
        name = _hash(sent)
        session = self._open.get(name)
        if session is None:
            return False
        if self._clock() >= session.ends_s or not session.still_valid():
            del self._open[name]
            return False
        return True

    def end(self, sent: str) -> None:
        """Sign out."""
        self._open.pop(_hash(sent), None)

    def __len__(self) -> int:
        return len(self._open)


def cookie_of(headers: dict[bytes, bytes]) -> str:
    """The session's id in a request; empty where there is none.

    >>> cookie_of({b"cookie": b"a=1; fraud_session=xyz"})
    'xyz'
    """
    for part in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def set_cookie(made: str, over_tls: bool) -> bytes:
    """The value of `Set-Cookie`; an empty id takes the cookie away."""
    lasts_s = LASTS_S if made else 0
    secure = "; Secure" if over_tls else ""
    return f"{COOKIE}={made}; Max-Age={lasts_s}; Path=/; HttpOnly; SameSite=Strict{secure}".encode()


def _hash(sent: str) -> bytes:
    return hashlib.sha256(sent.encode("utf-8", "replace")).digest()
