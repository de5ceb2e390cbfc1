"""What the commands of this folder share: their parser, and where a ledger is by default."""

import argparse
import os
from pathlib import Path
from typing import NoReturn

from fraud_system.errors import ConfigError
from serving.operations.ledger_files import LedgerFiles


class Parser(argparse.ArgumentParser):
    """Mistakes on the command line are told like every other mistake."""

    def error(self, message: str) -> NoReturn:
        """As one of this system's errors."""
        raise ConfigError(message, field="command line", fix=f"see `{self.prog} -h`")


def parser(name: str, description: str) -> Parser:
    """The parser of one command; every command has `--ledger` and `--archive`."""
    made = Parser(prog=f"python -m serving {name}", description=description)
    ledger = Path(os.environ.get("FRAUD_LEDGER_FILE") or "var/ledger.sqlite")
    made.add_argument("--ledger", type=Path, default=ledger, help=f"default: {ledger}")
    made.add_argument(
        "--archive", type=Path, help="folder of archived frames, if not LEDGER-archive"
    )
    return made


def files_of(given: argparse.Namespace) -> LedgerFiles:
    """The files of the ledger that was named."""
    return LedgerFiles(given.ledger.resolve())


def archive_of(given: argparse.Namespace) -> Path:
    """The folder of archived frames: by default beside the ledger."""
    return given.archive or Path(f"{given.ledger}-archive")
