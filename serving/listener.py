"""uvicorn as this service wants it: bounded connections, and nothing that is paid for and not used.

The port is taken before anything else is touched: a server that cannot listen shall not begin a ledger.
"""

import errno
import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import uvicorn

from fraud_system.errors import ConfigError
from serving.configuration import Configuration
from serving.http_limits import HttpLimits
from serving.http_protocol import http_protocol

LOGGER = logging.getLogger(__name__)
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class Listener(uvicorn.Server):
    """Listens at sockets that were taken before, and says so.

    Args:
        config: see `uvicorn_config`.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen.

        Raises:
            ConfigError: another process began to listen there in the meantime.
        """
        try:
            await super().startup(sockets)
        except OSError as error:
            await self.lifespan.shutdown()
            raise _refused(error, self.config.host, self.config.port) from error
        for taken in sockets or ():
            LOGGER.info("listening at %s", address_of(taken))


@contextmanager
def taken_port(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets at every address of a host, at which nobody is heard yet; closed at the end.

    Args:
        host: a name or an address.
        port: 0 for any free one.

    Raises:
        ConfigError: the port is taken, or the host is not this machine; it names the variable.

    >>> with taken_port("127.0.0.1", 0) as (one,), taken_port("127.0.0.1", 0) as (other,):
    ...     address_of(one) != address_of(other)
    True
    """
    with ExitStack() as held:
        try:
            sockets = _bound(host, port, held)
        except OSError as error:
            raise _refused(error, host, port) from error
        yield sockets


def _bound(host: str, port: int, held: ExitStack) -> list[socket.socket]:
    """At every address of a host that this machine has; one at least."""
    sockets: list[socket.socket] = []
    refusal: OSError | None = None
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            made = held.enter_context(socket.socket(family, kind, protocol))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if sockets:  # with 0 the first has drawn one
                address = (address[0], sockets[0].getsockname()[1], *address[2:])
            made.bind(address)
        except OSError as error:
            if (
                error.errno not in _NOT_HERE
            ):  # a name may have an address of a kind that is not here
                raise
            refusal = error
        else:
            sockets.append(made)
    if refusal is not None and not sockets:
        raise refusal
    return sockets


def address_of(taken: socket.socket) -> str:
    """Where a socket is, as a browser takes it."""
    host, port = taken.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _refused(error: OSError, host: str, port: int) -> ConfigError:
    if isinstance(error, socket.gaierror) or error.errno in _NOT_HERE:
        return ConfigError(
            f"this machine cannot listen at {host}: {error.strerror}",
            field="FRAUD_HOST",
            fix="give 127.0.0.1, or another address of this machine",
        )
    fix = "stop what listens there, or give another port, such as FRAUD_PORT=8001"
    problem = f"port {port} of {host} is taken already"
    if error.errno != errno.EADDRINUSE:
        problem, fix = f"port {port} of {host}: {error.strerror}", "give a port above 1023"
    return ConfigError(problem, field="FRAUD_PORT", fix=fix)


def uvicorn_config(app: Any, configuration: Configuration) -> uvicorn.Config:
    """What to give to `uvicorn.Server`.

    No access log (metrics count requests), no `server` header, no trust in X-Forwarded-For, no WebSockets.
    Logging is set up by whoever starts the service.

    Args:
        app: an ASGI application with a lifespan.
        configuration: address, bounds and times.

    >>> uvicorn_config(None, Configuration(demo=True)).server_header
    False
    """
    return uvicorn.Config(
        app,
        host=configuration.host,
        port=configuration.port,
        loop="uvloop",
        http=http_protocol(HttpLimits.of(configuration)),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=configuration.keep_alive_s,
        timeout_graceful_shutdown=configuration.shutdown_grace_s,
    )
