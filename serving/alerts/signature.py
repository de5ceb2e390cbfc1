"""How an alert is signed, and how its receiver checks it (`verified` can be copied, it needs nothing else).

The header `Fraud-Signature` reads `t=<seconds since 1970>,v1=<hexadecimal>`, where the latter is HMAC-SHA256
with the shared secret over the digits of t, a dot and the body as it was sent. A receiver should

1. check the signature before it parses anything,
2. refuse a `t` that is far from its own clock, so that what was recorded on the way cannot be used later,
3. keep the ids (`Fraud-Event-Id`, `id` in the body) of the last day: an alert may come twice.

>>> secret, body = b"sixteen bytes or more", b'{"id":"1f0c"}'
>>> header = signature(secret, body, now_s=1_767_225_600)
>>> header[:20], len(header)
('t=1767225600,v1=9075', 80)
>>> verified(secret, body, header, now_s=1_767_225_660)
True
>>> verified(secret, body + b" ", header, now_s=1_767_225_660)
False
>>> verified(secret, body, header, now_s=1_767_225_600 + 3_600)  # sent again an hour later
False
"""

import hashlib
import hmac

TOLERANCE_S = 300


def signature(secret: bytes, body: bytes, now_s: int) -> str:
    """The value of the header `Fraud-Signature`.

    Args:
        secret: shared with the receiver.
        body: as it is sent.
        now_s: of the attempt, seconds since 1970.
    """
    digest = hmac.new(secret, b"%d." % now_s + body, hashlib.sha256)
    return f"t={now_s},v1={digest.hexdigest()}"


def verified(
    secret: bytes, body: bytes, header: str, now_s: float, tolerance_s: float = TOLERANCE_S
) -> bool:
    """Whether the body comes from who has the secret, and was sent just now.

    >>> verified(b"sixteen bytes or more", b"", "garbage", 0.0)
    False
    """
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    sent = parts.get("t", "")
    if not (sent.isascii() and sent.isdigit() and len(sent) < 12):
        return False
    expected = signature(secret, body, int(sent))
    is_own = hmac.compare_digest(expected.encode(), header.encode("utf-8", "replace"))
    return is_own and abs(now_s - int(sent)) <= tolerance_s
