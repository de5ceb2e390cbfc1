"""A worker's end of its pipes: messages go out by stdout, and when stdin closes the scorer has gone."""

import os
import sys
import threading
from typing import BinaryIO

from serving.workers.messages import Message, encode


class Outlet:
    """Sends messages to the scorer. Blocks while the scorer reads nothing, so little is ever under way.

    Args:
        file: where the bytes go.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def send(self, message: Message) -> None:
        """Give it to the operating system, whole."""
        self._file.write(encode(message))
        self._file.flush()


def attached() -> Outlet:
    """Take stdin and stdout of this process for the scorer; call once, first of all.

    Whatever else writes to stdout from here on reaches stderr. When stdin closes, the process ends
    at once, in the middle of what it does: a worker holds nothing that is lost with it.
    """
    outlet = Outlet(os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    threading.Thread(target=_end_with_stdin, name="end with the scorer", daemon=True).start()
    return outlet


def _end_with_stdin() -> None:
    while os.read(sys.stdin.fileno(), 4_096):
        pass
    os._exit(0)
