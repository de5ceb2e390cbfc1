"""Sentences made from figures: what a careful reader would say after reading `metrics.json`.

Every number in them is in `metrics.json`. Where a figure is undefined the sentence says so;
nothing is called good or bad beyond what its p-value or interval carries.
"""

from typing import Any

from .calibration_words import chance_clause, side, times, title
from .formats import day, interval, money, percent, significant, whole

_MANY_LATE = 0.1  # a share of reports after maturity that is worth a word


def in_short(metrics: dict[str, Any]) -> list[str]:
    """The first list: one item for each question that a reader comes with."""
    headline, evaluated = metrics["headline"], metrics["evaluated"]
    if not headline:
        return [
            "Nothing can be judged yet: no transaction after the warm-up of two weeks has a settled"
            f" label. The run has {whole(metrics['data']['rows'])} transactions, from"
            f" {day(metrics['data']['first_event_time'])} to"
            f" {day(metrics['data']['last_event_time'])}, and a transaction without a report counts"
            f" as legitimate only after {significant(metrics['labels']['maturity_days'])} days."
        ]
    judged = (
        f"Judged on {whole(evaluated['rows'])} transactions with settled labels after the warm-up"
        f" ({day(evaluated['from'])} to {day(evaluated['to'])}), of which"
        f" {whole(evaluated['frauds'])}, {percent(evaluated['fraud_share'])}, are fraud."
    )
    if not evaluated["frauds"]:
        return [judged, "Without a single fraud most figures below are undefined."]
    gain = metrics["gain"]
    periods = [
        f"{title(period)}, {chance_clause(period)}."
        for period in metrics["calibration"]["periods"]
        if period["role"] in ("all", "before", "after", "recent") and period["rows"]
    ]
    return [
        judged,
        f"{week_verdict(metrics['verdict'])} Over all transactions judged it is"
        f" {_below(gain['over_heuristic'])} the heuristic's and {_below(gain['over_constant'])} the"
        " constant rate's.",
        "A random fraud gets a higher probability than a random legitimate transaction"
        f" {percent(headline['model']['roc_auc']['value'])} of the time"
        f" ({percent(headline['heuristic']['roc_auc']['value'])} from the heuristic).",
        *periods,
        *missing_after_drift(metrics),
        *late_reports(metrics),
        saving(metrics["policy"]["cost"]),
    ]


def late_reports(metrics: dict[str, Any]) -> list[str]:
    """Names late reports as a cause where the model expects too little and they are not few.

    A fraud reported after maturity was first learned as legitimate, then as fraud. With a share s of
    such reports, transactions that are all alike and all fraud are learned as 1 fraud in 1 + s: so
    s can take expected / seen down to 1 / (1 + s), and no further. Where that is far enough it is
    called the main cause, else one of several.
    """
    labels, model = metrics["labels"], metrics["headline"]["model"]
    ratios = {
        "by count": model["expected_over_observed"],
        "by money": model["expected_over_observed_money"],
    }
    low = {told: ratio for told, ratio in ratios.items() if side(ratio) == "low"}
    # Only `mature` learns a fraud that is reported late as legitimate first and then leaves it so for long.
    if not low or not labels["reported_frauds"] or labels["strategy"] != "mature":
        return []
    share = labels["after_maturity"] / labels["reported_frauds"]
    if share < _MANY_LATE:
        return []
    far_enough = min(ratio["value"] for ratio in low.values()) >= 1.0 / (1.0 + share)
    seen = " and ".join(f"{times(ratio)} what came {told}" for told, ratio in low.items())
    cause = (
        "The main cause is late reports"
        if far_enough
        else "One cause is late reports, not the only one"
    )
    return [
        f"The model expects too little fraud ({seen}). {cause}: {percent(share)} of the fraud reports"
        f" ({whole(labels['after_maturity'])} of {whole(labels['reported_frauds'])}) came after the"
        f" {significant(labels['maturity_days'])} days in which a transaction matures, so these"
        " frauds were first learned as legitimate."
    ]


def week_verdict(verdict: dict[str, Any]) -> str:
    """The answer to: is the model better than both baselines, every week?

    >>> found = {"weeks": 3, "below_both": 1, "not_below": [4, 5], "incomplete": [6]}
    >>> print(week_verdict(found))
    The model's log loss is below the heuristic's and the constant rate's in 1 of 3 weeks after the
    second; not in weeks 4, 5. Week 6 has fewer than seven settled days and is not counted.
    """
    if not verdict["weeks"]:
        return (
            "No whole week after the second is settled, so log losses cannot be compared by week."
        )
    text = (
        "The model's log loss is below the heuristic's and the constant rate's in"
        f" {verdict['below_both']} of {verdict['weeks']} weeks after the second"
    )
    missed = ", ".join(str(week) for week in verdict["not_below"])
    plural = "s" if len(verdict["not_below"]) > 1 else ""
    text += f"; not in week{plural} {missed}." if missed else "."
    for week in verdict["incomplete"]:
        text += f" Week {week} has fewer than seven settled days and is not counted."
    return text


def missing_after_drift(metrics: dict[str, Any]) -> list[str]:
    """Says so where a drift came too late in the run to be judged after it."""
    roles = {period["role"] for period in metrics["calibration"]["periods"] if period["rows"]}
    if not metrics["drift_marks"] or "after" in roles:
        return []
    return [
        "Calibration after the drift cannot be judged: no settled label is from later than maturity"
        " and two weeks after it."
    ]


def paired_gain(gain: dict[str, Any]) -> str:
    """How the model's log loss stands to the others' on the same transactions, with intervals."""
    heuristic, constant = gain["over_heuristic"], gain["over_constant"]
    return (
        f"Paired on the same transactions, the model's log loss is {_below(heuristic, True)} the"
        f" heuristic's and {_below(constant, True)} the constant rate's."
    )


def young(labels: dict[str, Any]) -> str:
    """What is not judged because its labels are still open, or never came."""
    text = (
        f"Of {whole(labels['rows'])} transactions {whole(labels['evaluated'])} are settled with a"
        " known label, the warm-up included."
    )
    if labels["too_young"]:
        since = f" (after {day(labels['settled_until'])})" if labels["settled_until"] else ""
        text += (
            f" {whole(labels['too_young'])} are too young and left out{since}, also the"
            f" {whole(labels['too_young_frauds'])} frauds already reported among them: counting"
            " those without their neighbours who are not yet known to be legitimate would make"
            " fraud look frequent."
        )
    if labels["unlabelled"]:
        text += f" {whole(labels['unlabelled'])} older ones have no label and are left out as well."
    return text


def nothing_set_aside(labels: dict[str, Any]) -> str:
    """That every row was used; and the label messages that were not, if any.

    >>> nothing_set_aside({"joiner": {"dead_letters": 0}})
    'Nothing was set aside.'
    >>> nothing_set_aside({"joiner": {"dead_letters": 18}})
    'No row was set aside. 18 label messages became dead letters: no transaction came for them.'
    """
    dead = labels["joiner"].get("dead_letters", 0)
    if not dead:
        return "Nothing was set aside."
    one = dead == 1
    return (
        f"No row was set aside. {whole(dead)} label message{'' if one else 's'} became"
        f" {'a dead letter' if one else 'dead letters'}: no transaction came for"
        f" {'it' if one else 'them'}."
    )


def saving(cost: dict[str, Any]) -> str:
    """What the served actions cost beside the alternatives."""
    return (
        f"The actions as served cost {money(cost['served'])}, against {money(cost['approve_all'])}"
        f" for approving everything ({change(cost['served'], cost['approve_all'])}) and"
        f" {money(cost['heuristic'])} for the same policy on the heuristic"
        f" ({change(cost['served'], cost['heuristic'])})."
    )


def change(value: float, reference: float) -> str:
    """Difference as a signed share of the reference.

    >>> change(80.0, 100.0).replace("\\u00a0", " ").replace("\\u2212", "-")
    '-20 %'
    >>> change(99.99999999, 100.0).replace("\\u00a0", " ")
    '0 %'
    """
    if not reference:
        return "no reference"
    share = round(value / reference - 1.0, 6) or 0.0  # equal up to the order of summing is equal
    return f"{'+' if share > 0 else ''}{percent(share)}"


def units(cluster_unit: str) -> str:
    """What is resampled, in the plural.

    >>> units("card"), units("group of cards")
    ('cards', 'groups of cards')
    """
    first, of, rest = cluster_unit.partition(" of ")
    return f"{first}s{of}{rest}"


def _below(gain: dict[str, Any], with_interval: bool = False) -> str:
    if gain["value"] is None:
        return "not comparable to"
    word = "below" if gain["value"] >= 0 else "above"
    size = percent(abs(gain["value"]))
    if gain["low"] is None or gain["low"] * gain["high"] <= 0:
        return f"{size} {word} (by an interval that holds 0)"
    low, high = sorted((abs(gain["low"]), abs(gain["high"])))
    width = f" {interval({'low': low, 'high': high}, percent)}" if with_interval else ""
    return f"{size}{width} {word}"
