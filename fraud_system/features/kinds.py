"""Every kind of feature there is: what a declaration must give, the unit, and what it is in words.

The order gives the opcodes that the compiled encoder walks: features of labels come last among those
of an entity (`encoder` relies on it).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class KindSpec:
    """What a kind of feature needs, its unit and what it is, in words (used in reasons and reports).

    Args:
        needs: which of entity, scale, label_scale, approved_scale, long_scale, quantile, times, age, other,
            column, bucket the declaration must give.
        unit: of the value.
        words: a template over those needs.
    """

    needs: tuple[str, ...]
    unit: str
    words: str


KINDS: dict[str, KindSpec] = {
    "log_amount": KindSpec((), "log(1+amount)", "amount"),
    "amount_beyond": KindSpec(
        ("quantile",), "log ratio", "amount beyond what {quantile} of payments stay below"
    ),
    "amount_exceeds": KindSpec(
        ("quantile",), "0/1", "amount above what {quantile} of payments stay below"
    ),
    "hour_sin": KindSpec((), "-1..1", "time of day (sine)"),
    "hour_cos": KindSpec((), "-1..1", "time of day (cosine)"),
    "is_night": KindSpec((), "0/1", "between 0 and 6 o'clock"),
    "is_weekend": KindSpec((), "0/1", "Saturday or Sunday"),
    "count": KindSpec(("entity", "scale"), "log(1+count)", "attempts by this {entity} in {scale}"),
    "total": KindSpec(("entity", "scale"), "log(1+amount)", "spent by this {entity} in {scale}"),
    "approved_count": KindSpec(
        ("entity", "approved_scale"),
        "log(1+count)",
        "approved attempts by this {entity} in {approved_scale}",
    ),
    "amount_to_mean": KindSpec(
        ("entity", "scale"), "log ratio", "amount against the {entity}'s mean in {scale}"
    ),
    "amount_to_largest": KindSpec(
        ("entity",), "log ratio", "amount against the {entity}'s largest so far"
    ),
    "velocity": KindSpec(
        ("entity", "scale", "long_scale"),
        "log ratio",
        "pace of this {entity} in {scale} against {long_scale}",
    ),
    "time_since_last": KindSpec(
        ("entity",), "log(1+seconds)", "time since the {entity} was last seen"
    ),
    "is_new": KindSpec(("entity",), "0/1", "first time this {entity} is seen"),
    "first_meeting": KindSpec(
        ("entity", "other"), "0/1", "first time this {entity} meets this {other}"
    ),
    "fraud_rate": KindSpec(
        ("entity", "label_scale"),
        "log odds",
        "known fraud rate of this {entity} in {label_scale}",
    ),
    "fraud_count": KindSpec(
        ("entity", "label_scale"),
        "log(1+count)",
        "known frauds of this {entity} in {label_scale}",
    ),
    "fraud_recency": KindSpec(
        ("entity", "label_scale"),
        "exp(-time/scale)",
        "how recent the last known fraud of this {entity} is, fading over {label_scale}",
    ),
    "legitimate_recency": KindSpec(
        ("entity", "label_scale"),
        "exp(-time/scale)",
        "how recent the last known legitimate payment of this {entity} is, fading over {label_scale}",
    ),
    "fraud_is_latest": KindSpec(
        ("entity",), "0/1", "the last known label of this {entity} is fraud"
    ),
    "fraud_run": KindSpec(
        ("entity",), "log(1+count)", "run of known frauds at this {entity} without a legitimate one"
    ),
    "fraud_run_older": KindSpec(
        ("entity", "age"), "0/1", "run of known frauds at this {entity} for more than {age}"
    ),
    "amount_to_legitimate": KindSpec(
        ("entity",), "log ratio", "amount against the {entity}'s largest known to be legitimate"
    ),
    "amount_beyond_legitimate": KindSpec(
        ("entity", "times"),
        "log ratio",
        "amount beyond {times} times the {entity}'s largest known to be legitimate",
    ),
    "numeric": KindSpec(("column",), "as given", "{column}"),
    "category": KindSpec(("column", "bucket"), "0/1", "{column} in bucket {bucket}"),
}
OPCODES = {kind: code for code, kind in enumerate(KINDS)}
CATEGORY_BUCKETS = 8
