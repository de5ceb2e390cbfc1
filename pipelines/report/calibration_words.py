"""What calibration figures say, in words: whether an error can be told from chance, how far, and why."""

from typing import Any

from .formats import fixed, interval, money, p_value, percent

SIGNIFICANT = 0.05
_TOO_FAR = 0.1  # a slope this far from 1 is worth a word
_CANCELS = "too much in some bins cancels too little in others"


def calibration_finding(period: dict[str, Any], drifted: bool = False) -> str:
    """Whether the error can be told from chance; if so, how far it is and why.

    Args:
        period: of `metrics["calibration"]["periods"]`.
        drifted: whether a drift is marked in the run.
    """
    if not period["rows"]:
        return "No transaction of this period has a settled label."
    error = period["calibration_error_money"]
    if error["p_value"] is None or period["expected_over_observed_money"]["value"] is None:
        return "Undefined: there is no fraud money in this period."
    if error["p_value"] > SIGNIFICANT:
        return (
            f"Not distinguishable from zero (p = {p_value(error['p_value'])}): a model whose every"
            f" probability is true would show an error of {percent(error['null_mean'])} of the"
            f" money on average, this one shows {percent(error['error'])}.{_by_count(period)}"
        )
    mixed = drifted and period["role"] == "all"
    learning = " It includes the time in which the drift was being learned." if mixed else ""
    return (
        f"Distinguishable from zero (p = {p_value(error['p_value'])}). How far: beyond chance, the"
        f" bins are off by {percent(error['relative'])} of the fraud money expected."
        f" Why: {_why(period)}{learning}"
    )


def chance_clause(period: dict[str, Any]) -> str:
    """Calibration by money of a period, as the end of a sentence."""
    error, ratio = period["calibration_error_money"], period["expected_over_observed_money"]
    if error["p_value"] is None or ratio["value"] is None:
        return "calibration by money is undefined"
    figures = f"p = {p_value(error['p_value'])}; {times(ratio)} the fraud money that came"
    if error["p_value"] > SIGNIFICANT:
        return f"calibration by money cannot be told from perfect ({figures})"
    return (
        f"calibration by money is off by {percent(error['relative'])} of the expected fraud money"
        f" beyond chance ({figures})"
    )


def title(period: dict[str, Any]) -> str:
    """A period by its role; numbered where there are several drifts.

    >>> title({"role": "after", "name": "after_drift_2"})
    'After drift 2 was learned'
    """
    number = period["name"].rpartition("_")[2]
    drift = f"drift {number}" if number.isdigit() else "the drift"
    return {
        "all": "All after the warm-up",
        "recent": "Last four weeks",
        "before": "Before the drift" if drift == "the drift" else "Before any drift",
        "learning": f"While {drift} was being learned",
        "after": f"After {drift} was learned",
    }[str(period["role"])]


def times(figure: dict[str, Any]) -> str:
    """
    >>> times({"value": 1.031, "low": 0.98, "high": 1.09}).replace("\u00a0", " ")
    'expected 1.03 [0.98, 1.09] times'
    """
    if figure["value"] is None:
        return "an undefined multiple of"
    return f"expected {fixed(figure['value'], 2)} {interval(figure, fixed, decimals=2)} times"


def _by_count(period: dict[str, Any]) -> str:
    """What money does not show: many small payments can be off without much money in them."""
    p, ratio = period["calibration_error_count"]["p_value"], period["expected_over_observed"]
    if p is None or p > SIGNIFICANT:
        return ""
    told = f" By count the error can be told from chance (p = {p_value(p)})"
    if side(ratio):
        return f"{told}: it {times(ratio)} the frauds that came."
    return (
        f"{told}, but the level cannot be told from 1: it {times(ratio)} the frauds that came, so"
        f" {_shape(period['calibration_line']) or _CANCELS}."
    )


def _why(period: dict[str, Any]) -> str:
    """The level, by money and by count; else the shape; and the bin that is furthest off."""
    by_money, by_count = period["expected_over_observed_money"], period["expected_over_observed"]
    off_money, off_count = side(by_money), side(by_count)
    figures = f"It {times(by_money)} the fraud money and {times(by_count)} the frauds that came."
    too_far = "under" if "low" in (off_money, off_count) else "over"
    shape = _shape(period["calibration_line"])
    if off_money and off_money == off_count:
        reason = f"The level is too {off_money}, by count and by money"
    elif off_money and off_count:
        reason = "The level is off, by money the other way than by count"
    elif (off_money or off_count) and _overlap(by_money, by_count):
        told, other = ("money", "count") if off_money else ("count", "money")
        reason = (
            f"The level is too {off_money or off_count} by {told}; by {other} it cannot be told"
        )
    elif off_money:
        reason = f"The level may be right by count, but large payments are {too_far}rated"
    elif off_count:
        reason = f"The level may be right by money, but small payments are {too_far}rated"
    else:
        reason = f"Both intervals hold 1, so it is not the level: {shape or _CANCELS}"
        bursts = " The test takes frauds as independent, and bursts on one card alone can fail it."
        return f"{figures} {reason}.{bursts}{_worst(period['worst_bin'])}"
    also = f"; also, {shape}" if shape else ""
    return f"{figures} {reason}{also}.{_worst(period['worst_bin'])}"


def _overlap(left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Whether two intervals have more than an end in common: then the ratios may be the same."""
    return bool(max(left["low"], right["low"]) < min(left["high"], right["high"]))


def side(figure: dict[str, Any]) -> str:
    """`high` or `low` where the interval of E/O excludes 1."""
    if figure["low"] is not None and figure["low"] > 1.0:
        return "high"
    if figure["high"] is not None and figure["high"] < 1.0:
        return "low"
    return ""


def _shape(line: dict[str, Any]) -> str:
    slope = line["slope"]
    if slope is None or abs(slope - 1.0) < _TOO_FAR:
        return ""
    kind = "extreme" if slope < 1.0 else "timid"
    return f"the probabilities are too {kind} (slope {fixed(slope, 2)}, where 1 is right)"


def _worst(worst: dict[str, Any]) -> str:
    if not worst:
        return ""
    return (
        f" Furthest off are probabilities from {percent(worst['lower'])} to"
        f" {percent(worst['upper'])}: expected {money(worst['expected_money'])}, came"
        f" {money(worst['fraud_money'])}."
    )
