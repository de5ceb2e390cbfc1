"""uvicorn as this service wants it: bounded connections, and nothing that is paid for and not used."""

from typing import Any

import uvicorn

from serving.configuration import Configuration
from serving.http_limits import HttpLimits
from serving.http_protocol import http_protocol


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
