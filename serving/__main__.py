"""`python -m serving`: run the scorer, manage its API keys, look after its ledger.

python -m serving                  the scorer, set by FRAUD_... variables
python -m serving api-key ...      add, list or revoke keys
python -m serving backup ...       and other work: see `operations.commands`
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from fraud_system.errors import FraudSystemError
from serving.configuration import Configuration

if TYPE_CHECKING:
    from serving.service import Service
    from serving.workers.supervisor import Supervisor

LOGGER = logging.getLogger("serving")  # not "__main__"
OPERATIONS = ("backup", "restore", "archive", "verify", "snapshots", "erase-card")


def main(arguments: list[str]) -> None:
    """Run a command; an error ends it in one line."""
    # Ledger, snapshots, backups and archives hold keys and ids: what this process and its workers make
    # belongs to its owner alone.
    os.umask(0o077)
    try:
        if arguments[:1] == ["api-key"]:
            from serving.api_key_command import main as manage_keys

            sys.exit(manage_keys(arguments[1:]))
        elif arguments[:1] and arguments[0] in OPERATIONS:
            from serving.operations.commands import main as look_after

            sys.exit(look_after(arguments))
        elif arguments:
            sys.exit(f"error: unknown command {arguments[0]!r}; see serving/__main__.py")
        else:
            serve(Configuration())
    except FraudSystemError as error:
        sys.exit(f"error: {error}")


def serve(
    configuration: Configuration, supervised: "Callable[..., Supervisor] | None" = None
) -> None:
    """Run until SIGTERM or SIGINT; what was accepted is answered first.

    Args:
        configuration, supervised: see `Service`.

    Raises:
        FraudSystemError: it cannot start.
    """
    # Here, so that keys can be managed without loading the engine, which takes seconds.
    from serving.app import make_app
    from serving.listener import Listener, address_of, taken_port, uvicorn_config

    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    with taken_port(configuration.host, configuration.port) as sockets:
        app = make_app(configuration, supervised) if supervised else make_app(configuration)
        service: Service = app.app.state.service
        service.open()
        ledger_file = service.system.ledger_file
        if ledger_file.stat().st_mode & 0o007:
            LOGGER.warning(
                "everybody on this machine may read %s, which holds keys and ids: chmod -R o= %s*",
                ledger_file,
                ledger_file,
            )
        address = address_of(sockets[0])
        if configuration.api_keys_file is None:
            LOGGER.warning(
                "demo without API keys: whoever reaches %s may score, label and switch", address
            )
        server = Listener(uvicorn_config(app, configuration))
        service.when_ready = partial(
            LOGGER.info,
            "ready: transactions are answered at %s, and a browser gets the page",
            address,
        )
        service.when_failed = partial(setattr, server, "should_exit", True)
        service.stopping = lambda: server.should_exit
        for wanted in (signal.SIGTERM, signal.SIGINT):
            # uvicorn, which obeys them while it runs, raises them once more when all has been answered.
            signal.signal(wanted, _leave)
        server.run(sockets)
    if service.failed:
        raise service.failed
    if not server.started:
        sys.exit(1)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
