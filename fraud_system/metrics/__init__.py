"""Metrics: pure functions over columns, exact, deterministic, each with the limits of what it says.

Columns everywhere: `probability` (n,) in [0, 1], `is_fraud` (n,) bool, `amount` (n,) not
negative, `weight` (n,) not negative or None. A weight is an importance (1 / propensity);
whole-number weights give the same figures as repeated rows. An unusable column is a `DataError`;
an undefined metric is nan.

Read in the order in which to judge a model: `proper` (the loss), `calibration`,
`calibration_line` and `reliability` (is it a probability), `discrimination` and `rates` (does it
tell frauds apart), `money` and `alerts` (what is it worth), `unlabelled` (before labels),
`intervals` (how sure), `streaming` (for monitors).
"""

from fraud_system.metrics.alerts import (
    AlertBudget,
    alert_budget,
    alert_chance,
    card_precision_at_k,
    card_precision_by_day,
)
from fraud_system.metrics.calibration import (
    NullCentred,
    expected_calibration_error,
    expected_over_observed,
    null_centred_calibration_error,
)
from fraud_system.metrics.calibration_line import (
    CalibrationLine,
    SpiegelhalterTest,
    calibration_line,
    spiegelhalter_z,
)
from fraud_system.metrics.discrimination import (
    RocCurve,
    average_precision,
    partial_roc_auc,
    roc_auc,
    roc_curve_points,
)
from fraud_system.metrics.intervals import cluster_bootstrap, roc_auc_bootstrap
from fraud_system.metrics.money import (
    cost_curve,
    cost_of_each,
    loss_prevented,
    realised_cost,
    value_detection_rate,
)
from fraud_system.metrics.proper import brier, log_loss, normalised_entropy
from fraud_system.metrics.rates import Rates, rates_at, rebase_probability
from fraud_system.metrics.reliability import (
    ReliabilityBins,
    ScoreDecomposition,
    reliability_bins,
    score_decomposition,
)
from fraud_system.metrics.served import ServedScores
from fraud_system.metrics.streaming import StreamingScores
from fraud_system.metrics.unlabelled import ExpectedRates, expected_rates

__all__ = [
    "AlertBudget",
    "CalibrationLine",
    "ExpectedRates",
    "NullCentred",
    "Rates",
    "ReliabilityBins",
    "RocCurve",
    "ScoreDecomposition",
    "ServedScores",
    "SpiegelhalterTest",
    "StreamingScores",
    "alert_budget",
    "alert_chance",
    "average_precision",
    "brier",
    "calibration_line",
    "card_precision_at_k",
    "card_precision_by_day",
    "cluster_bootstrap",
    "cost_curve",
    "cost_of_each",
    "expected_calibration_error",
    "expected_over_observed",
    "expected_rates",
    "log_loss",
    "loss_prevented",
    "normalised_entropy",
    "null_centred_calibration_error",
    "partial_roc_auc",
    "rates_at",
    "realised_cost",
    "rebase_probability",
    "reliability_bins",
    "roc_auc",
    "roc_auc_bootstrap",
    "roc_curve_points",
    "score_decomposition",
    "spiegelhalter_z",
    "value_detection_rate",
]
