"""Sentences made from figures: what a careful reader would say after reading `metrics.json`.

Every number in them is in `metrics.json`. Where a figure is undefined the sentence says so;
nothing is called good or bad beyond what its p-value or interval carries.
"""

from typing import Any

from .formats import day, fixed, interval, money, p_value, percent, significant, whole

SIGNIFICANT = 0.05
_TOO_FAR = 0.1  # a slope this far from 1 is worth a word
_CANCELS = "too much in some bins cancels too little in others"


def in_short(metrics: dict[str, Any]) -> list[str]:
    """The first paragraph: one sentence for each question that a reader comes with."""
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
        f"{title(period)}, {_chance_clause(period)}."
        for period in metrics["calibration"]["periods"]
        if period["role"] in ("before", "after", "recent") and period["rows"]
    ]
    return [
        judged,
        week_verdict(metrics["verdict"]),
        f"Over all of them it is {_below(gain['over_heuristic'])} the heuristic's and"
        f" {_below(gain['over_constant'])} the constant rate's.",
        "A random fraud gets a higher probability than a random legitimate transaction"
        f" {percent(headline['model']['roc_auc']['value'])} of the time"
        f" ({percent(headline['heuristic']['roc_auc']['value'])} from the heuristic).",
        *periods,
        *missing_after_drift(metrics),
        saving(metrics["policy"]["cost"]),
    ]


def week_verdict(verdict: dict[str, Any]) -> str:
    """The answer to: is the model better than both baselines, every week?

    >>> print(week_verdict({"weeks": 3, "below_both": 1, "not_below": [4, 5]}))
    The model's log loss is below the heuristic's and the constant rate's in 1 of 3 weeks after the
    second; not in weeks 4, 5.
    """
    if not verdict["weeks"]:
        return "No week after the second has settled labels, so log losses cannot be compared."
    text = (
        "The model's log loss is below the heuristic's and the constant rate's in"
        f" {verdict['below_both']} of {verdict['weeks']} weeks after the second"
    )
    missed = ", ".join(str(week) for week in verdict["not_below"])
    plural = "s" if len(verdict["not_below"]) > 1 else ""
    return f"{text}; not in week{plural} {missed}." if missed else f"{text}."


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


def times(figure: dict[str, Any]) -> str:
    """
    >>> times({"value": 1.031, "low": 0.98, "high": 1.09}).replace("\u00a0", " ")
    'expected 1.03 [0.98, 1.09] times'
    """
    if figure["value"] is None:
        return "an undefined multiple of"
    return f"expected {fixed(figure['value'], 2)} {interval(figure, fixed, decimals=2)} times"


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


def _chance_clause(period: dict[str, Any]) -> str:
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


def _by_count(period: dict[str, Any]) -> str:
    """What money does not show: many small payments can be off without much money in them."""
    p, ratio = period["calibration_error_count"]["p_value"], period["expected_over_observed"]
    if p is None or p > SIGNIFICANT:
        return ""
    return f" By count it can be told (p = {p_value(p)}): it {times(ratio)} the frauds that came."


def _why(period: dict[str, Any]) -> str:
    """The level, by money and by count; else the shape; and the bin that is furthest off."""
    by_money, by_count = period["expected_over_observed_money"], period["expected_over_observed"]
    off_money, off_count = _side(by_money), _side(by_count)
    figures = f"It {times(by_money)} the fraud money and {times(by_count)} the frauds that came."
    too_far = "under" if "low" in (off_money, off_count) else "over"
    shape = _shape(period["calibration_line"])
    if off_money and off_money == off_count:
        reason = f"The level is too {off_money}, by count and by money"
    elif off_money and off_count:
        reason = "The level is off, by money the other way than by count"
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


def _side(figure: dict[str, Any]) -> str:
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
