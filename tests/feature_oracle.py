"""Every feature again, by plain loops over all that was known before: slow, and easy to believe.

Works on what the ledger recorded: a transaction knows the transactions and the resolved labels with a
smaller seq, and nothing else. Nothing is carried from one transaction to the next; of the code under
test only constants are used.
"""

import math
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from feature_streams import Logged

from fraud_system.events import Action, Resolution
from fraud_system.features.declaration import CATEGORY_BUCKETS, FeatureList
from fraud_system.features.encoder import NEVER_SEEN_S, RATE_PRIOR, RATE_STRENGTH
from fraud_system.features.state import HISTOGRAM_BINS, HISTOGRAM_STEP, QUANTILE_REFRESH_EVERY

SPAN_S = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
SPANS = ("scale", "long_scale", "label_scale", "approved_scale", "age")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Payment(NamedTuple):
    """One accepted transaction."""

    seq: int
    time_us: int
    event_us: int
    amount: float
    approved: bool
    keys: list[int]
    numeric: list[float]
    categories: list[int]


class Label(NamedTuple):
    """One resolution of a payment's label."""

    seq: int
    time_us: int
    kind: Resolution
    of: Payment


class Oracle:
    """Recomputes the features of any transaction in the ledger."""

    def __init__(self, logged: Logged, features: FeatureList) -> None:
        self.features = features
        self.entities = [entity.name for entity in features.entities]
        table, action = logged.transaction, logged.decision["action"]
        self.payments = [
            Payment(
                int(table["seq"][row]),
                int(table["known_time_us"][row]),
                int(table["event_time_us"][row]),
                float(table["amount"][row]),
                action[row] == Action.APPROVE,
                table["entity_keys"][row].tolist(),
                table["numeric"][row].tolist(),
                table["categories"][row].tolist(),
            )
            for row in range(len(table["seq"]))
        ]
        by_seq = {payment.seq: payment for payment in self.payments}
        resolved = logged.resolved
        self.labels = [
            Label(
                int(resolved["seq"][row]),
                int(resolved["known_time_us"][row]),
                Resolution(resolved["resolution"][row]),
                by_seq[int(resolved["transaction_seq"][row])],
            )
            for row in range(len(resolved.get("seq", ())))
        ]

    def row(self, now: Payment) -> list[float]:
        """All features of one transaction, in order, from what has a smaller seq than it."""
        before = [each for each in self.payments if each.seq < now.seq]
        labels = [each for each in self.labels if each.seq < now.seq]
        own, told = {}, {}
        for place, name in enumerate(self.entities):
            key = now.keys[place]
            own[name] = [each for each in before if each.keys[place] == key != 0]
            told[name] = [each for each in labels if each.of.keys[place] == key != 0]
        row = []
        for feature in self.features.features:
            options = dict(feature.options)
            spans_s = {key: span_s(text) for key, text in options.items() if key in SPANS}
            if "quantile" in options:
                value = self._beyond(feature.kind, float(options["quantile"]), before, now)
            elif "column" in options:
                value = self._of_column(options, now)
            elif feature.kind == "log_amount":
                value = self._capped(before, now)
            elif "entity" not in options:
                value = of_payment(feature.kind, now)
            elif "other" in options:
                value = self._first_meeting(options, before, now)
            elif feature.kind in OF_LABELS:
                given = spans_s.get(
                    "label_scale", spans_s.get("age", float(options.get("times", math.nan)))
                )
                value = OF_LABELS[feature.kind](told[options["entity"]], now, given)
            else:
                value = of_attempts(feature.kind, own[options["entity"]], now, spans_s)
            row.append(value)
        return row

    def _beyond(self, kind: str, quantile: float, before: list[Payment], now: Payment) -> float:
        refreshed = len(before) - len(before) % QUANTILE_REFRESH_EVERY
        edge = histogram_quantile([each.amount for each in before[:refreshed]], quantile)
        if kind == "amount_exceeds":
            return float(math.log1p(now.amount) > edge)
        return max(0.0, self._capped(before, now) - edge)

    def _capped(self, before: list[Payment], now: Payment) -> float:
        """log(1 + amount), at most that of the highest quantile that any feature names."""
        options = [dict(feature.options) for feature in self.features.features]
        highest = max(
            (float(each["quantile"]) for each in options if "quantile" in each), default=1
        )
        if highest == 1:
            return math.log1p(now.amount)
        refreshed = len(before) - len(before) % QUANTILE_REFRESH_EVERY
        edge = histogram_quantile([each.amount for each in before[:refreshed]], highest)
        return min(math.log1p(now.amount), edge)

    def _first_meeting(self, options: Any, before: list[Payment], now: Payment) -> float:
        left, right = (self.entities.index(options[key]) for key in ("entity", "other"))
        pair = (now.keys[left], now.keys[right])
        met = 0 not in pair and any((each.keys[left], each.keys[right]) == pair for each in before)
        return float(not met)

    def _of_column(self, options: dict[str, str], now: Payment) -> float:
        if "bucket" not in options:
            return now.numeric[self.features.numeric.index(options["column"])]
        key = now.categories[self.features.categorical.index(options["column"])]
        return float(key != 0 and splitmix64(key) % CATEGORY_BUCKETS == int(options["bucket"]))


def span_s(text: str) -> float:
    return int(text[:-1]) * SPAN_S[text[-1]]


def splitmix64(state: int) -> int:
    """The first output of the published generator with this seed."""
    mask = 2**64 - 1
    z = (state + 0x9E3779B97F4A7C15) & mask
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
    return z ^ (z >> 31)


def decayed(now: Payment, time_us: int, scale_s: float) -> float:
    return math.exp(-(now.time_us - time_us) / 1e6 / scale_s)


def of_payment(kind: str, now: Payment) -> float:
    moment = EPOCH + timedelta(microseconds=now.event_us)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    angle = 2.0 * math.pi * ((moment - midnight) / timedelta(days=1))
    return {
        "hour_sin": math.sin(angle),
        "hour_cos": math.cos(angle),
        "is_night": float(moment.hour < 6),
        "is_weekend": float(moment.isoweekday() >= 6),
    }[kind]


def of_attempts(kind: str, own: list[Payment], now: Payment, spans_s: dict[str, float]) -> float:
    if kind == "is_new":
        return float(not own)
    if kind == "time_since_last":
        since_s = (now.time_us - own[-1].time_us) / 1e6 if own else math.inf
        return math.log(1.0 + min(since_s, NEVER_SEEN_S))
    if not own:
        return 0.0
    if kind == "amount_to_largest":
        return math.log((now.amount + 1.0) / (max(each.amount for each in own) + 1.0))
    if kind == "approved_count":
        scale_s = spans_s["approved_scale"]
        approved = [each for each in own if each.approved]
        return math.log(1.0 + sum(decayed(now, each.time_us, scale_s) for each in approved))
    scale_s = spans_s["scale"]
    count = sum(decayed(now, each.time_us, scale_s) for each in own)
    total = sum(decayed(now, each.time_us, scale_s) * each.amount for each in own)
    if kind == "amount_to_mean":
        return math.log((now.amount + 1.0) / (total / count + 1.0)) if count > 1e-12 else 0.0
    if kind == "velocity":
        long_s = spans_s["long_scale"]
        long_count = sum(decayed(now, each.time_us, long_s) for each in own)
        return math.log((count / scale_s + 1.0 / long_s) / ((long_count + 1.0) / long_s))
    return math.log(1.0 + {"count": count, "total": total}[kind])


def fraud_rate(labels: list[Label], now: Payment, scale_s: float) -> float:
    first = {Resolution.MATURED, Resolution.FRAUD}
    count = sum(decayed(now, each.time_us, scale_s) for each in labels if each.kind in first)
    frauds = standing_frauds(labels, now, scale_s) + RATE_PRIOR * RATE_STRENGTH
    return math.log(frauds / max(count + RATE_STRENGTH - frauds, 0.5))


def standing_frauds(labels: list[Label], now: Payment, scale_s: float) -> float:
    """Known frauds that nobody has taken back, each decayed since it became known."""
    reversed_ = {each.of.seq for each in labels if each.kind == Resolution.REVERSED}
    standing = [each for each in labels if is_fraud(each) and each.of.seq not in reversed_]
    return sum(decayed(now, each.time_us, scale_s) for each in standing)


def is_fraud(label: Label) -> bool:
    return label.kind in (Resolution.FRAUD, Resolution.LATE_FRAUD)


def latest(labels: list[Label], fraud: bool) -> float:
    """Time of the latest payment that was ever known as fraud, or as legitimate."""
    found = [
        each.of.time_us
        for each in labels
        if (is_fraud(each) if fraud else each.kind == Resolution.MATURED)
    ]
    return max(found, default=-math.inf)


def recency(fraud: bool) -> Any:
    def value(labels: list[Label], now: Payment, scale_s: float) -> float:
        return math.exp(-(now.time_us - latest(labels, fraud)) / 1e6 / scale_s)

    return value


def fraud_is_latest(labels: list[Label], now: Payment, _: float) -> float:
    last = latest(labels, fraud=True)
    return float(last > -math.inf and last >= latest(labels, fraud=False))


def run_of(labels: list[Label]) -> list[Label]:
    """Frauds that were the latest known label when they came, since a legitimate one was."""
    run = []
    for place in reversed(range(len(labels))):
        label, earlier = labels[place], labels[:place]
        if label.kind == Resolution.MATURED and label.of.time_us > latest(earlier, fraud=True):
            break
        if is_fraud(label) and label.of.time_us >= latest(earlier, fraud=False):
            run.append(label)
    return run


def fraud_run(labels: list[Label], now: Payment, _: float) -> float:
    return math.log(1.0 + len(run_of(labels)))


def fraud_run_older(labels: list[Label], now: Payment, age_s: float) -> float:
    began_us = min((each.of.time_us for each in run_of(labels)), default=math.inf)
    return float((now.time_us - began_us) / 1e6 > age_s)


def largest_legitimate(labels: list[Label]) -> float:
    matured = [each.of.amount for each in labels if each.kind == Resolution.MATURED]
    return max(matured, default=0.0)


def amount_to_legitimate(labels: list[Label], now: Payment, _: float) -> float:
    largest = largest_legitimate(labels)
    return math.log((now.amount + 1.0) / (largest + 1.0)) if largest else 0.0


def amount_beyond_legitimate(labels: list[Label], now: Payment, times: float) -> float:
    ratio = amount_to_legitimate(labels, now, math.nan)
    return max(0.0, ratio - math.log(times)) if largest_legitimate(labels) else 0.0


OF_LABELS: dict[str, Any] = {
    "fraud_rate": fraud_rate,
    "fraud_count": lambda *given: math.log(1.0 + standing_frauds(*given)),
    "fraud_recency": recency(fraud=True),
    "legitimate_recency": recency(fraud=False),
    "fraud_is_latest": fraud_is_latest,
    "fraud_run": fraud_run,
    "fraud_run_older": fraud_run_older,
    "amount_to_legitimate": amount_to_legitimate,
    "amount_beyond_legitimate": amount_beyond_legitimate,
}


def histogram_quantile(amounts: list[float], quantile: float) -> float:
    """Of log(1 + amount): within the bin where the running share passes `quantile`, in proportion."""
    if not amounts:
        return math.inf
    places = sorted(
        min(int(math.log1p(each) / HISTOGRAM_STEP), HISTOGRAM_BINS - 1) for each in amounts
    )
    rank = quantile * len(places)
    place = places[math.ceil(rank) - 1]
    return (place + (rank - places.index(place)) / places.count(place)) * HISTOGRAM_STEP
