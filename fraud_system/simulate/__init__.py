"""A stream of card payments with fraud whose true probability is known.

`simulate(SCENARIOS["demo"], seed)` gives the same transactions and labels that a reader of real files
would give, and beside them the truth, which no part of the system may see except to measure.

Read in this order: `settings` and `scenarios` (every number), `profiles` (who pays where), `ordinary`
(what they do), `fraud` (what fraudsters do), `risk` (with which probability it is fraud), `reports`
(how that becomes known, late and wrong), `traffic` (all of it together).

What it does not have: holidays, seasons longer than a week, trends in amounts, refunds, declined
attempts (nobody answers the stream, so a fraudster never stops early), labels that are selective by
amount, and rings of cards or terminals that know of each other.
"""

from fraud_system.simulate.fraud import FraudKind
from fraud_system.simulate.risk import CHANNELS
from fraud_system.simulate.scenarios import SCENARIOS
from fraud_system.simulate.settings import (
    FraudRegime,
    LabelSettings,
    SourceSettings,
    TrafficSettings,
)
from fraud_system.simulate.traffic import Traffic, Truth, simulate

__all__ = [
    "CHANNELS",
    "SCENARIOS",
    "FraudKind",
    "FraudRegime",
    "LabelSettings",
    "SourceSettings",
    "Traffic",
    "TrafficSettings",
    "Truth",
    "simulate",
]
