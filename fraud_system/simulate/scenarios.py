"""The scenarios by name.

To make a new one, `dataclasses.replace` what differs and give it a name of its own. Measurements
refer to scenarios by name, so the numbers behind a name never change (a test pins them).
"""

from dataclasses import replace

from fraud_system.simulate.settings import (
    AFTER_THE_DRIFT,
    FraudRegime,
    LabelSettings,
    SourceSettings,
    TrafficSettings,
)

# Fifteen days, shortened and made denser, so that all kinds of fraud and of labels occur on both
# sides of the drift: for tests and first steps, not for measuring models.
SMALL = TrafficSettings(
    days=15,
    cards=900,
    terminals=300,
    late_share=0.05,
    before=replace(FraudRegime(), compromised_per_terminal_day=0.0014, compromised_days=(2.0, 5.0)),
    after=replace(
        AFTER_THE_DRIFT, compromised_per_terminal_day=0.0014, compromised_days=(2.0, 5.0)
    ),
    labels=LabelSettings(
        chargeback=SourceSettings(share=0.55, median_days=1.5, sigma=0.6),
        review=SourceSettings(share=0.20, median_days=0.06, sigma=0.8),
        user_report=SourceSettings(share=0.25, median_days=0.25, sigma=1.0),
        false_report_share=0.001,
        reversal_median_days=3.0,
        duplicate_share=0.05,
        duplicate_median_days=0.2,
        orphan_share=0.02,
        overtaking_share=0.5,
    ),
)

SCENARIOS: dict[str, TrafficSettings] = {"demo": TrafficSettings(), "small": SMALL}
