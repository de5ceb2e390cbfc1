"""What connections may cost: the bounds that `http_protocol` enforces."""

from dataclasses import dataclass
from typing import Self

from serving.configuration import KIB, MIB, Configuration


@dataclass(frozen=True)
class HttpLimits:
    """Bounds of the connections of one server.

    Args:
        max_connections: open at once; beyond, a new one is answered 503 and closed.
        max_header_bytes: request line and headers together; beyond, 431.
        header_timeout_s: from the first byte (on a new connection: from its opening) to the last header; 408.
        write_timeout_s: a client that takes nothing of its answer for so long is cut off.
        max_headers: their number; beyond, 431.
        max_target_bytes: of the address in the request line; beyond, 414.
        max_pipelined: requests that wait behind the one being answered; beyond, 503.
        linger_timeout_s: after a refusal, what still comes is read and dropped for so long, because closing a
            socket with unread bytes would destroy the answer on its way.
        linger_bytes: and at most so much of it.
        only_loopback_names: answer only requests for a loopback name, else 421, and from pages of such, else
            403: without API keys any web page could otherwise use the service through a browser, and one
            whose own name was pointed at this machine could read the answers.
    """

    max_connections: int = 1024
    max_header_bytes: int = 16 * KIB
    header_timeout_s: float = 10.0
    write_timeout_s: float = 10.0
    max_headers: int = 64
    max_target_bytes: int = 4 * KIB
    max_pipelined: int = 64
    linger_timeout_s: float = 5.0
    linger_bytes: int = 32 * MIB
    only_loopback_names: bool = False

    @classmethod
    def of(cls, configuration: Configuration) -> Self:
        """The limits that the environment sets."""
        return cls(
            max_connections=configuration.max_connections,
            max_header_bytes=configuration.max_header_bytes,
            header_timeout_s=configuration.header_timeout_s,
            write_timeout_s=configuration.answer_timeout_s,
            only_loopback_names=configuration.api_keys_file is None,
        )
