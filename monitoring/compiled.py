"""Compiled loops of the monitors: the options of `fraud_system.compiled`, kept by both packages' sources."""

from pathlib import Path

from fraud_system.compiled import PACKAGE, Compiler

_monitors = Compiler(Path(__file__).parent, PACKAGE)
compiled, borrowing = _monitors.compiled, _monitors.borrowing
