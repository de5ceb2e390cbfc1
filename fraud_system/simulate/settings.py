"""What a simulated stream is made of, as values. The scenarios with names are in `scenarios`.

Names end in the unit: `..._share` lies in 0..1; `..._log_odds` is added to the log-odds of fraud;
`..._per_card_day` and `..._per_terminal_day` are episodes started per card (terminal) and day;
`..._ratio` is a multiple of an amount. Pairs are (lowest, highest) of a uniform law, both possible.
"""

import math
from dataclasses import dataclass, field

from fraud_system.errors import ConfigError
from fraud_system.events import DAY_US
from fraud_system.simulate.checks import Counts, Range, check_fields

MONDAY_2026_01_05_US = 20_458 * DAY_US


@dataclass(frozen=True, slots=True)
class FraudRegime:
    """How fraud is committed during one period. The defaults are the habits before the drift.

    The probability of fraud of any transaction is the logistic function of a background, which
    depends on hour, channel, amount and place, plus the log-odds of the kind that it is part of.

    Args:
        background_log_odds: of amount 0, by chip, at the safest hour, at a usual terminal.
        riskiest_hour: hour of the day (UTC) at which `hour_log_odds` is added in full.
        hour_log_odds: added there, falling smoothly to none twelve hours away.
        online_log_odds, contactless_log_odds: added for that channel.
        amount_log_odds: added per unit of log(1 + amount / the card's mean amount).
        stranger_log_odds: added at a terminal that is not one of the card's usual ones.
        terminal_spread_log_odds: standard deviation between terminals, lasting.
        episode_spread_log_odds: standard deviation between episodes of the same kind.
        round_the_clock_share: of stolen-card and card-testing activity at uniform hours; the rest
            follows the customers' daily season.
        large_amount_share: of ordinary transactions that are inflated by `large_amount_ratio`.
        compromised_days: how long a terminal stays compromised, days.
        compromised_online_share: of compromised terminals that are online shops.
        stolen_days: over how long a stolen card is used, days.
        stolen_transactions: extra transactions per stolen card.
        stolen_online_share: of them online.
        testing_cards, testing_tries: cards per burst, and small transactions per card.
        testing_amount: of a small transaction, currency units.
        testing_cash_out_share: of tested cards that are then used for one large amount.
    """

    background_log_odds: float = -10.4
    riskiest_hour: float = 3.0
    hour_log_odds: float = 2.5
    online_log_odds: float = 1.6
    contactless_log_odds: float = -0.5
    amount_log_odds: float = 1.7
    stranger_log_odds: float = 1.5
    terminal_spread_log_odds: float = 0.7
    episode_spread_log_odds: float = 0.5
    round_the_clock_share: float = 0.8
    large_amount_share: float = 0.004
    large_amount_ratio: Range = (3.0, 8.0)
    large_amount_log_odds: float = 5.0
    compromised_per_terminal_day: float = 0.0006
    compromised_days: Range = (8.0, 16.0)
    compromised_online_share: float = 0.15
    compromised_log_odds: float = 8.1
    stolen_per_card_day: float = 0.0007
    stolen_days: Range = (1.0, 5.0)
    stolen_transactions: Counts = (4, 12)
    stolen_ratio: Range = (2.0, 5.0)
    stolen_online_share: float = 0.8
    stolen_log_odds: float = 5.8
    testing_per_card_day: float = 0.00018
    testing_cards: Counts = (2, 4)
    testing_tries: Counts = (3, 6)
    testing_amount: Range = (0.5, 3.0)
    testing_cash_out_share: float = 0.7
    testing_cash_out_ratio: Range = (3.0, 6.0)
    testing_log_odds: float = 7.7

    def __post_init__(self) -> None:
        check_fields(self)


# After the drift: terminals are compromised half as often and mostly online; stolen cards are used
# more, by day and for amounts that no longer stand out; card testing is more frequent and less
# tiny; the background moves from night and online to evening and contactless.
AFTER_THE_DRIFT = FraudRegime(
    background_log_odds=-10.4,
    riskiest_hour=19.0,
    hour_log_odds=2.0,
    online_log_odds=0.2,
    contactless_log_odds=1.4,
    round_the_clock_share=0.25,
    large_amount_share=0.0055,
    large_amount_ratio=(2.0, 4.5),
    compromised_per_terminal_day=0.0003,
    compromised_online_share=0.6,
    stolen_per_card_day=0.0014,
    stolen_transactions=(5, 13),
    stolen_ratio=(0.5, 1.8),
    stolen_online_share=0.6,
    compromised_log_odds=7.7,
    stolen_log_odds=7.4,
    testing_per_card_day=0.0004,
    testing_amount=(2.0, 12.0),
    testing_log_odds=8.3,
)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One source of labels: its delay is log-normal.

    Args:
        share: of reports that come from this source.
        median_days: median delay between transaction and report, days.
        sigma: standard deviation of the logarithm of the delay.
    """

    share: float
    median_days: float
    sigma: float

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """Which frauds are reported, by whom, when, and what goes wrong.

    Args:
        chargeback, review, user_report: the sources; their shares sum to 1.
        never_share: of frauds that nobody ever reports.
        false_report_share: of legitimate transactions reported as fraud.
        false_report_reversal_share: of those later reversed, rightly.
        fraud_reversal_share: of reported frauds later reversed, wrongly (lost disputes).
        reversal_median_days, reversal_sigma: log-normal delay of a reversal after the last report.
        duplicate_share: of reports that come a second time.
        duplicate_other_source_share: of those second times that come from another source.
        duplicate_median_days, duplicate_sigma: log-normal delay of the second after the first.
        orphan_share: messages about a transaction that does not exist, per report.
        overtaking_share: of reports on late-known transactions that arrive before the transaction.
    """

    chargeback: SourceSettings = SourceSettings(share=0.55, median_days=12.0, sigma=0.6)
    review: SourceSettings = SourceSettings(share=0.20, median_days=0.5, sigma=0.8)
    user_report: SourceSettings = SourceSettings(share=0.25, median_days=2.0, sigma=1.0)
    never_share: float = 0.05
    false_report_share: float = 0.0002
    false_report_reversal_share: float = 0.8
    fraud_reversal_share: float = 0.03
    reversal_median_days: float = 21.0
    reversal_sigma: float = 0.4
    duplicate_share: float = 0.02
    duplicate_other_source_share: float = 0.4
    duplicate_median_days: float = 1.0
    duplicate_sigma: float = 1.0
    orphan_share: float = 0.005
    overtaking_share: float = 0.3

    def __post_init__(self) -> None:
        check_fields(self)
        shares = sum(source.share for source in self.sources())
        if not math.isclose(shares, 1.0):
            raise ConfigError(
                f"shares of the sources sum to {shares:g}",
                field="labels",
                fix="make the shares of chargeback, review and user_report sum to 1",
            )

    def sources(self) -> tuple[SourceSettings, SourceSettings, SourceSettings]:
        """In the order of `LabelSource`."""
        return self.chargeback, self.review, self.user_report


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of the stream with one regime: first_day <= day < end_day, days since the start."""

    regime: FraudRegime
    first_day: float
    end_day: float

    def episodes(self, per_unit_day: float, units: int) -> int:
        """How many episodes start in this period, of cards or terminals numbering `units`."""
        return round(per_unit_day * units * (self.end_day - self.first_day))


@dataclass(frozen=True, slots=True)
class TrafficSettings:
    """A scenario. The defaults are the scenario "demo".

    Args:
        days: length of the stream, days.
        cards: cards in use at any time.
        terminals: terminals, of which `online_terminal_share` are online shops.
        transactions_per_card_per_day: ordinary ones, mean over cards and weekdays.
        start_us: first midnight (UTC) of the stream, microseconds since 1970.
        drift_at_share: where in the stream `before` becomes `after`; 1 is no drift.
        card_replacement_share: of cards replaced by a new one, with a new holder, per day.
        exploration_share: of ordinary transactions at a terminal that is not one of the usual ones.
        late_share: of transactions known later than they happened.
        late_median_s, late_sigma: log-normal law of that lateness, seconds.
        late_longest_s: no transaction is later than this, seconds.
        before, after: the habits of fraudsters before and after the drift.
        labels: how frauds become known.

    Raises:
        ConfigError: a value is out of its range; `field` names it.

    >>> TrafficSettings(days=0)
    Traceback (most recent call last):
        ...
    fraud_system.errors.ConfigError: days: must be at least 1, is 0
    """

    days: int = 120
    cards: int = 2_000
    terminals: int = 800
    transactions_per_card_per_day: float = 1.5
    start_us: int = MONDAY_2026_01_05_US
    drift_at_share: float = 0.5
    card_replacement_share: float = 0.002
    online_terminal_share: float = 0.25
    exploration_share: float = 0.06
    late_share: float = 0.01
    late_median_s: float = 45.0
    late_sigma: float = 1.0
    late_longest_s: float = 900.0
    before: FraudRegime = field(default_factory=FraudRegime)
    after: FraudRegime = AFTER_THE_DRIFT
    labels: LabelSettings = field(default_factory=LabelSettings)

    def __post_init__(self) -> None:
        check_fields(self)
        for name, least in (("days", 1), ("cards", 1), ("terminals", 2)):
            if getattr(self, name) < least:
                problem = f"must be at least {least}, is {getattr(self, name)}"
                raise ConfigError(problem, field=name)
        if not 0 < self.online_terminals < self.terminals:
            raise ConfigError(
                f"{self.online_terminals} of {self.terminals} terminals would be online",
                field="online_terminal_share",
                fix="leave at least one terminal online and one in the street",
            )
        if self.start_us % DAY_US:
            fix = "give a multiple of 86,400,000,000 microseconds"
            raise ConfigError("must be a midnight (UTC)", field="start_us", fix=fix)

    @property
    def online_terminals(self) -> int:
        """How many terminals are online shops."""
        return round(self.terminals * self.online_terminal_share)

    @property
    def drift_day(self) -> float:
        """Moment of the drift, days since the start."""
        return self.days * self.drift_at_share

    def periods(self) -> tuple[Period, Period]:
        """Before and after the drift."""
        return (
            Period(self.before, 0.0, self.drift_day),
            Period(self.after, self.drift_day, float(self.days)),
        )
