"""Guesses become the text of a schema, with the reason beside each, to be corrected by hand.

The last step of `make schema`. Every name and every value is quoted, so whatever the file holds, the text
is TOML and `fraud_system.schema.load_schema` takes it.
"""

import json
import math
from collections.abc import Iterable, Sequence

from fraud_system.schema import DAY_S
from pipelines.choice import Choice
from pipelines.column_profile import EXAMPLES, Profile, profile
from pipelines.feature_guess import Features, guess_features
from pipelines.schema_guess import Guess, guess_roles
from pipelines.set_aside import shown
from pipelines.table_sample import TableSample

# Times that a person would choose.
NICE_S = (30 * DAY_S, 10 * DAY_S, 7 * DAY_S, DAY_S, 3_600, 600, 60, 10, 1)
PARTS_OF_SPAN = 8
MOST_DELAY_S = 7 * DAY_S
DEFAULT_PREVALENCE = 0.005
UNIT_NAMES = {"d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds"}


def schema_text(sample: TableSample, name: str, data: str, path: str) -> str:
    """A schema for the file that the sample was taken from.

    Args:
        sample: of its rows.
        name: of the data set.
        data, path: of the file and of the schema, for the command in the first lines.

    Raises:
        DataError: no column can be the event time, or the amount.
    """
    profiles = {each: profile(each, column) for each, column in sample.columns.items()}
    guess = guess_roles(list(profiles.values()), sample.where)
    rest = [each for each in profiles.values() if each.name not in guess.taken]
    label = None if guess.label is None else profiles[guess.label.column]
    features = guess_features(rest, label, profiles[guess.event_time.column])
    lines = [
        *_head(sample, name, f"DATA={data} SCHEMA={path}", guess),
        *_columns(guess),
        *_entities(guess),
        *_features(features, sample),
        *_categories(profiles[each.column] for each in features.categorical),
        *_labels(guess),
        *_model(sample, guess),
    ]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    r"""A TOML string.

    >>> quoted('a "b"\n\x7f'), quoted("é")
    ('"a \\"b\\"\\n\\u007f"', '"é"')
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def comment(text: str) -> str:
    r"""What may stand behind a #: one line, nothing that TOML forbids there.

    >>> comment("a\nb\x00c")
    '# a b c'
    """
    return "# " + "".join(each if each.isprintable() else " " for each in text)


def _head(sample: TableSample, name: str, files: str, guess: Guess) -> list[str]:
    looked = f"{sample.rows} rows of {sample.of_rows}"
    if sample.of_files > 1:
        looked += f" in {sample.files} files of {sample.of_files}"
    labels = " LABELS=labels.csv" if guess.label is None else ""
    return [
        comment(f"Guessed by `make schema` from {sample.where}: {looked} were looked at."),
        "# Every line is a guess, with its reason. Read them all, correct what is wrong, and then:",
        comment(f"  make train {files}{labels} OUT=runs/mine"),
        "# docs/data.md says what else can stand here.",
        f"name = {quoted(name)}",
        "",
    ]


def _line(key: str, choice: Choice, prefix: str = "") -> str:
    return f"{prefix}{key} = {quoted(choice.column)} {comment(choice.why)}"


def _columns(guess: Guess) -> list[str]:
    lines = [
        "[columns]",
        _line("transaction_id", guess.transaction_id),
        _line("event_time", guess.event_time),
    ]
    if guess.time_unit is None:
        lines.append(
            "# Times without a zone are read as UTC; is that the clock they were written by?"
        )
    else:
        unit = UNIT_NAMES.get(guess.time_unit, guess.time_unit)
        why = f"what the numbers seem to count: {unit}; else one of ns, us, ms, s, min, h, d"
        lines.append(f"time_unit = {quoted(guess.time_unit)} {comment(why)}")
    if guess.from_first_row:
        lines.append("# Hour and weekday are features: right only if the count starts at midnight.")
    lines.append(_line("amount", guess.amount))
    if guess.label is None:
        why = f"no column of 0 and 1 looks like one{guess.label_hint}; name it, or give LABELS=file"
        lines.append(f'# label = "..." {comment(why)}')
    else:
        lines.append(_line("label", guess.label))
    if guess.known_time is not None:
        lines.append(_line("known_time", guess.known_time, "# "))
    return [*lines, ""]


def _entities(guess: Guess) -> list[str]:
    lines = ["[entities]"]
    for name in ("card", "terminal"):
        if name in guess.entities:
            lines.append(_line(name, guess.entities[name]))
        else:
            lines.append(
                f'# {name} = "..." # nothing looks like one; features of its history are left out'
            )
    return [*lines, ""]


def _features(features: Features, sample: TableSample) -> list[str]:
    lines = ["[features]"]
    for key, choices in (("numeric", features.numeric), ("categorical", features.categorical)):
        inside = [f"  {quoted(each.column)}, {comment(each.why)}" for each in choices]
        lines += [f"{key} = [", *inside, "]"] if inside else [f"{key} = []"]
    left_out = [*features.left_out, *(Choice(*each) for each in sample.unusable.items())]
    if left_out:
        lines.append("# Left out:")
        lines += [comment(f"  {quoted(each.column)}: {each.why}") for each in left_out]
    return [*lines, ""]


def _categories(columns: Iterable[Profile]) -> list[str]:
    """All values of the columns that have few, not in force."""
    lines = [
        comment(f"{quoted(each.name)} = [{', '.join(quoted(value) for value in each.examples)}]")
        for each in columns
        if each.distinct <= EXAMPLES
        and all(value == shown(value) and value.isprintable() for value in each.examples)
        and each.name.isprintable()
    ]
    if not lines:
        return []
    first = "# Take these out of the comment and rows with any other value are set aside:"
    return [first, "# [categories]", *lines, ""]


def _labels(guess: Guess) -> list[str]:
    if guess.label is None:
        wait_s = _nice_s(guess.span_s, NICE_S)
        why = "without a report for longer than this it is legitimate"
        return ["[labels]", f"maturity_s = {wait_s} # {why}; an assumption", ""]
    wait_s = _nice_s(guess.span_s, [each for each in NICE_S if each <= MOST_DELAY_S])
    return [
        "[labels]",
        f"delay_s = {wait_s} # so long after the payment the label is known; the file does not say",
        'source = "chargeback" # or review, user_report',
        f"maturity_s = {wait_s} # without a report for longer than this it is legitimate",
        "",
    ]


def _nice_s(span_s: float, choices: Sequence[int]) -> int:
    """The longest that leaves the model most of the time to be judged in.

    >>> _nice_s(90 * DAY_S, NICE_S) == 10 * DAY_S, _nice_s(0.0, NICE_S)
    (True, 1)
    """
    return next((each for each in choices if each * PARTS_OF_SPAN <= span_s), 1)


def _model(sample: TableSample, guess: Guess) -> list[str]:
    share = guess.fraud_share
    known = not math.isnan(share) and share > 0.0
    prevalence = min(max(float(f"{share:.2g}"), 1e-6), 0.5) if known else DEFAULT_PREVALENCE
    why = (
        "share of 1 in the rows looked at"
        if known
        else "the fraud rate, before anything is learned"
    )
    every = min(1_000, max(50, sample.of_rows // 50))
    return [
        "[model]",
        f"prevalence = {prevalence:.6f} # {why}; a first guess",
        f"publish_every_labels = {every} # new weights after so many resolved labels",
        "",
        "# What mistakes cost, in the currency of the amounts; these are the values if you say nothing:",
        "# [policy]",
        "# fee = 15.0 # of a chargeback, on top of the amount",
        "# margin_share = 0.05 # of the amount, lost with a declined good customer",
        "# goodwill = 5.0",
        "# review_cost = 4.0",
        "# review_catch_share = 0.8",
    ]
