"""Settings that have something in every part, for the tests of settings."""

from fraud_system.features.declaration import load_features
from fraud_system.models.heuristic import Rule
from fraud_system.settings import Settings

FEATURES = """
interactions = [["log_amount", "log_amount"], ["log_amount", "category:*"]]
[entities.card]
scales = ["1h", "7d"]
approved_scales = ["1d"]
label_scales = ["30d"]
[entities.terminal]
scales = ["1d"]
[[features]]
kind = "log_amount"
[[features]]
kind = "amount_exceeds"
quantile = ["0.9", "0.99"]
[[features]]
kind = "velocity"
entity = "card"
scale = "1h"
long_scale = "7d"
[[features]]
kind = "approved_count"
entity = "card"
scale = "1d"
[[features]]
kind = "first_meeting"
entity = "card"
other = "terminal"
[[features]]
kind = "is_new"
entity = "device"
"""
LISTED = load_features(FEATURES, ["card", "terminal"], ["age"], ["channel"])
RULES = (
    Rule("both", (("log_amount", True, 5.0), ("amount_exceeds:0.99", False, 0.5))),
    Rule("large", (("log_amount", True, 9.0),)),
)
SETTINGS = Settings(features=LISTED, rules=RULES)
