"""`python -m serving api-key add|list|revoke`: the keys of a file, from the command line.

A new key is printed once, alone on standard output; what to do with it goes to standard error. A mistake ends
with one line and exit code 2.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from fraud_system.errors import ConfigError, FraudSystemError
from serving.key_file import SCOPES, add_key, read_keys, revoke_key

_DAY_S = 86_400.0


class _Parser(argparse.ArgumentParser):
    """Mistakes on the command line are told like every other mistake."""

    def error(self, message: str) -> NoReturn:
        """As one of this system's errors."""
        raise ConfigError(message, field="command line", fix="see `python -m serving api-key -h`")


def main(arguments: Sequence[str], clock: Callable[[], float] = time.time) -> int:
    """Run one command; returns the exit code."""
    try:
        given = _parser().parse_args(arguments)
        given.job(given, clock())
    except FraudSystemError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    default = Path(os.environ.get("FRAUD_API_KEYS_FILE") or "var/api-keys.json")
    parser = _Parser(prog="python -m serving api-key", description=__doc__)
    commands = parser.add_subparsers(required=True, parser_class=_Parser)
    add = commands.add_parser("add", help="make a key and print it once")
    add.add_argument("--name", required=True, help="whose key it is")
    add.add_argument("--scopes", required=True, help=f"of {','.join(SCOPES)}, with commas")
    add.add_argument("--days", type=float, help="it expires after so many days")
    add.set_defaults(job=_add)
    list_ = commands.add_parser("list", help="the keys, without secrets")
    list_.set_defaults(job=_list)
    revoke = commands.add_parser("revoke", help="refuse a key from now on")
    revoke.add_argument("--id", required=True, help="the 8 digits after fk_")
    revoke.set_defaults(job=_revoke)
    for command in (add, list_, revoke):
        command.add_argument("--file", type=Path, default=default, help=f"default: {default}")
    return parser


def _add(given: argparse.Namespace, now_s: float) -> None:
    days = math.inf if given.days is None else given.days
    if given.days is not None and not 0.0 < days <= 36_500.0:
        raise ConfigError("must be above 0 and at most 36,500", field="DAYS")
    scopes = [scope.strip() for scope in given.scopes.split(",")]
    key = add_key(given.file, given.name, scopes, now_s, days * _DAY_S)
    print(key)
    print(
        f"stored as a hash in {given.file}; this is the only time that the key is shown."
        " A running server knows it within a second.",
        file=sys.stderr,
    )


def _list(given: argparse.Namespace, now_s: float) -> None:
    keys = read_keys(given.file)
    print(f"{'id':8}  {'name':20}  {'scopes':23}  {'created':10}  expires")
    for key in keys:
        expires = "never" if key.expires is None else f"{key.expires:%Y-%m-%d}"
        if key.expires_s() <= now_s:
            expires += " (expired)"
        scopes = ",".join(key.scopes)
        print(f"{key.id:8}  {key.name:20}  {scopes:23}  {key.created:%Y-%m-%d}  {expires}")


def _revoke(given: argparse.Namespace, now_s: float) -> None:
    key = revoke_key(given.file, given.id)
    print(f"revoked {key.id} of {key.name}; a running server refuses it within a second")
