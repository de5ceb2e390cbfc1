"""Sentences and names for slices, learning curve, worst errors and the further figures."""

from typing import Any

from .formats import DASH, day, fixed, interval, money, p_value, percent, significant, whole

DIMENSIONS = {
    "amount": "Amount",
    "card_age": "Age of the card in the data",
    "terminal": "Terminal",
    "hour": "Hour of the day",
    "weekday": "Weekday",
}
WAYS = {
    "served": "As served",
    "model": "Policy on the model",
    "heuristic": "Policy on the heuristic",
    "constant": "Policy on the constant rate",
    "approve_all": "Approve everything",
}
_FURTHEST = 3
_SHORT_KEY = 8


def slice_title(dimension: str, each: dict[str, Any]) -> str:
    """What a slice holds, in words.

    >>> slice_title("amount", {"name": "-9.5", "low": None, "high": 9.5})
    'below 9.50'
    >>> slice_title("card_age", {"name": "7-30", "low": 7.0, "high": 30.0})
    '7 days to 30 days'
    >>> slice_title("terminal", {"name": "busy", "low": 572.0, "high": None})
    'busy: 572 and more'
    """
    low, high = each["low"], each["high"]
    if dimension == "amount":
        return _band(low, high, money)
    if dimension == "card_age":
        return _band(low, high, _days)
    if dimension == "hour":
        return f"{low:02.0f} to {high:02.0f} h"
    if dimension == "terminal" and each["name"] != "new":
        return f"{each['name']}: {_count_band(low, high)}"
    if dimension == "terminal":
        return "new: first seen less than 7 days before"
    return str(each["name"]).capitalize()


def slice_verdict(slices: dict[str, Any], overall: dict[str, Any]) -> list[str]:
    """How many slices stand out and how many would by chance; the furthest; the heuristic's.

    Args:
        slices: of `metrics.json`.
        overall: the model's headline.
    """
    summary = slices["summary"]
    count, by_money = overall["expected_over_observed"], overall["expected_over_observed_money"]
    enough = (
        f"All {summary['slices']} slices have"
        if summary["judged"] == summary["slices"]
        else f"Of {summary['slices']} slices {summary['judged']} have"
    )
    told = [
        f"{enough} enough frauds to judge their level. In {summary['off']['count']} of these the"
        f" interval of expected / seen excludes 1 by count, in {summary['off']['money']} by money;"
        f" if every probability were true, about {significant(summary['off_by_chance'], 2)} of each"
        " would do so by chance."
    ]
    if count["value"] is not None:
        told[0] += (
            f" Over everything the model expected {_times(count)} the frauds and {_times(by_money)}"
            " the fraud money that came: a slice near these figures tells nothing of its own."
        )
    furthest = [
        f"{title} (expected {_times(figure)} {what})"
        for _, title, what, figure in _off(slices)[:_FURTHEST]
    ]
    if furthest:
        told.append(f"Furthest off: {'; '.join(furthest)}.")
    return [*told, _behind(slices)]


def stands_out(each: dict[str, Any]) -> str:
    """The verdict on one slice, for its row.

    >>> stands_out({"judged": True, "off_count": "low", "off_money": "low",
    ...     "heuristic_better": False})
    'expects too little'
    >>> stands_out({"judged": False, "off_count": "", "off_money": "", "heuristic_better": True})
    'few frauds; heuristic better'
    """
    said = [] if each["judged"] else ["few frauds"]
    words = {"low": "too little", "high": "too much"}
    count, by_money = each["off_count"], each["off_money"]
    if count and count == by_money:
        said.append(f"expects {words[count]}")
    else:
        said += [f"{words[count]} by count"] if count else []
        said += [f"{words[by_money]} by money"] if by_money else []
    if each["heuristic_better"]:
        said.append("heuristic better")
    return "; ".join(said)


def learned_enough(learning: dict[str, Any]) -> str:
    """From when on the model is ahead.

    >>> learned_enough({"ahead_from": None, "unit": "publications"})
    "At the end of the run the model's cumulative log loss is not below both others'."
    """
    start = learning["ahead_from"]
    if start is None:
        return "At the end of the run the model's cumulative log loss is not below both others'."
    after = f"From {whole(start)} {learning['unit']} on" if start else "From the start on"
    return (
        f"{after}, the model's cumulative log loss stays below the heuristic's and the constant"
        " rate's."
    )


def kind_title(kind: str) -> str:
    """A kind of fraud.

    >>> kind_title("stolen_card"), kind_title("false_report")
    ('Stolen card', 'Reported, but no fraud in truth')
    """
    if kind == "false_report":
        return "Reported, but no fraud in truth"
    return "Of none of these kinds" if kind == "no_kind" else kind.replace("_", " ").capitalize()


def short_key(key: str | None) -> str:
    """Enough of a key to find it again.

    >>> short_key("600f21a367bc7589"), short_key("c7"), short_key(None)
    ('600f21a3…', 'c7', '–')
    """
    if key is None:
        return DASH
    return key if len(key) <= _SHORT_KEY else f"{key[:_SHORT_KEY]}…"


def label_told(error: dict[str, Any], is_fraud: bool) -> str:
    """What became known of a transaction, and by whom.

    >>> label_told({"label_source": "user_report"}, is_fraud=True)
    'user report'
    >>> label_told({"label_source": "maturity"}, is_fraud=False)
    'no report came'
    >>> label_told({"label_source": "chargeback"}, is_fraud=False)
    'taken back (chargeback)'
    """
    if error["label_source"] is None:
        return "source unknown"
    source = str(error["label_source"]).replace("_", " ")
    if is_fraud:
        return source
    return "no report came" if source == "maturity" else f"taken back ({source})"


def label_when(error: dict[str, Any]) -> str:
    """When that became known.

    >>> told = {"label_time": "2024-05-03T10:00:00", "label_delay_days": 2.04}
    >>> label_when(told).replace("\u00a0", " ")
    '3 May 2024, after 2.0 days'
    >>> label_when(told | {"label_delay_days": 0.05}).replace("\u00a0", " ")
    '3 May 2024, after 1.2 hours'
    """
    days = error["label_delay_days"]
    if days is None:
        return ""
    if 24.0 * days < 1.0:
        return f"{day(error['label_time'])}, within the hour"
    after = f"{fixed(days, 1)} days" if days >= 1.0 else f"{fixed(24.0 * days, 1)} hours"
    return f"{day(error['label_time'])}, after {after}"


def in_truth(error: dict[str, Any]) -> str:
    """What a simulator knows of a transaction.

    >>> in_truth({"true_is_fraud": True, "fraud_kind": "stolen_card"})
    'stolen card'
    >>> in_truth({"true_is_fraud": False, "fraud_kind": None})
    'legitimate'
    """
    if error["fraud_kind"]:
        return str(error["fraud_kind"]).replace("_", " ")
    return "fraud of no kind" if error["true_is_fraud"] else "legitimate"


def rule_title(rule: dict[str, Any]) -> str:
    """A decision rule.

    >>> rule_title({"on": "expected_fraud", "threshold": 5.0})
    'Expected fraud of at least 5.00'
    """
    if rule["on"] == "expected_fraud":
        return f"Expected fraud of at least {money(rule['threshold'])}"
    return f"Probability of at least {percent(rule['threshold'])}"


def p_clause(value: float | None) -> str:
    """
    >>> p_clause(1e-30), p_clause(0.0416), p_clause(None)
    ('p < 0.001', 'p = 0.042', 'p undefined')
    """
    if value is None:
        return "p undefined"
    return "p < 0.001" if value < 0.001 else f"p = {p_value(value)}"


def _off(slices: dict[str, Any]) -> list[tuple[float, str, str, dict[str, Any]]]:
    """Slices whose interval excludes 1, furthest first: distance as a ratio, name, what, figure."""
    found = []
    for dimension in slices["dimensions"]:
        for each in dimension["slices"]:
            for off, name, what in (
                ("off_count", "expected_over_observed", "the frauds"),
                ("off_money", "expected_over_observed_money", "the fraud money"),
            ):
                value = each[name]["value"]
                if each[off] and value:
                    found.append(
                        (max(value, 1.0 / value), _full(dimension, each), what, each[name])
                    )
    return sorted(found, key=lambda each: -each[0])


def _behind(slices: dict[str, Any]) -> str:
    behind = [
        (_full(dimension, each), each["judged"], each["gain_over_heuristic"]["high"])
        for dimension in slices["dimensions"]
        for each in dimension["slices"]
        if each["heuristic_better"]
    ]
    if not behind:
        return "In no slice is the heuristic's log loss below the model's."
    told = [
        title if judged and high is not None and high < 0 else f"{title} (may be chance)"
        for title, judged, high in behind
    ]
    return (
        f"The heuristic's log loss is below the model's in {len(behind)} of"
        f" {slices['summary']['slices']} slices: {'; '.join(told)}."
    )


def _full(dimension: dict[str, Any], each: dict[str, Any]) -> str:
    prefix = {"amount": "amounts ", "card_age": "card age ", "terminal": "terminals, "}
    return f"{prefix.get(dimension['name'], '')}{slice_title(dimension['name'], each)}"


def _times(figure: dict[str, Any]) -> str:
    return f"{fixed(figure['value'], 2)} {interval(figure, fixed, decimals=2)} times"


def _days(days: float) -> str:
    return f"{days:g} day{'' if days == 1 else 's'}"


def _band(low: float | None, high: float | None, write: Any) -> str:
    if low is None:
        return f"below {write(high)}"
    return f"{write(low)} and more" if high is None else f"{write(low)} to {write(high)}"


def _count_band(low: float | None, high: float | None) -> str:
    if low is None:
        return f"up to {whole(high)}"
    if high is None:
        return f"{whole(low)} and more"
    return f"{whole(low)} to {whole(high)}"
