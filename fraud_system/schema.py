"""A data set described in TOML: which column is what, when labels come, what is refused.

The one file that somebody with data of their own has to write. The readers, the engine and the jobs
take the names of columns, the label times and the limits from here and from nowhere else.

    name = "handbook"
    [columns]
    transaction_id = "TRANSACTION_ID"   # or "#row": the place of the row in the data, from 1
    event_time = "TX_DATETIME"       # the sender's clock
    time_unit = "s"                  # optional: what bare numbers count, a key of `TIME_UNITS`
    amount = "TX_AMOUNT"             # major currency units, not negative
    known_time = "RECEIVED_AT"       # optional: when the system got to know; default: event time
    label = "TX_FRAUD"               # optional: 0/1; needs labels.delay_s
    [entities]                       # optional; any names; their order is that of the keys
    card = "CUSTOMER_ID"
    terminal = "TERMINAL_ID"
    [features]                       # optional further columns
    numeric = ["DISTANCE_KM"]
    categorical = ["CHANNEL"]        # hashed
    [categories]                     # optional: all the values of such a column; rows with another one
    CHANNEL = ["web", "pos"]         # are set aside, blank ones are not
    [labels]                         # optional, whole seconds
    delay_s = 604800                 # the label column is known this long after the transaction
    source = "chargeback"            # chargeback, review or user_report
    maturity_s = 2592000             # without a report for longer than this it is legitimate
    horizon_s = 5184000              # later reports are not joined; default 2 x maturity_s
    orphan_wait_s = 86400            # how long a report waits for a transaction not yet seen
    [limits]                         # optional
    max_bad_share = 0.01             # more rows set aside than this: the job ends
    max_unknown_label_share = 0.5    # more labels than this of transactions that are not there: the same
    max_lateness_s = 86400           # known time minus event time, at most
    max_ahead_s = 300                # event time minus known time, at most
    [policy]                         # optional: fee, margin_share, goodwill, review_cost,
    fee = 15.0                       # review_catch_share
    [model]                          # optional
    prevalence = 0.005               # first guess of the fraud rate
    publish_every_labels = 1000
    features = "features.toml"       # a feature list of one's own
    recalibrate = false              # learn a line through the log odds that were served
    [learning]                       # optional: what is learned when
    strategy = "mature"              # mature, fake_negative_weighted or delay_matched
    keep_legitimate = 1.0            # share of legitimate transactions that the model learns from
    false_fraud_share = 0.0          # known share of legitimate ones that are reported as fraud
    missed_fraud_share = 0.0         # known share of frauds that are never reported
    weight_cap = 20.0                # the most that one example counts, where a propensity was logged
"""

import re
import tomllib
from dataclasses import asdict, dataclass, field
from typing import Any

from fraud_system.errors import ConfigError
from fraud_system.events import LabelSource
from fraud_system.strategies.settings import LEARNING_RANGES, STRATEGIES, LearningSettings
from fraud_system.toml_section import Section, suggestion

DAY_S = 86_400
SOURCES = tuple(source.name.lower() for source in LabelSource if source != LabelSource.MATURITY)
ROW_NUMBER = "#row"
# Microseconds in each unit that a bare number may count.
TIME_UNITS = {"ns": 1e-3, "us": 1.0, "ms": 1e3, "s": 1e6, "min": 6e7, "h": 3.6e9, "d": 8.64e10}
ENTITY_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Lowest and highest value that each cost of the policy may have.
POLICY_RANGES = {
    "fee": (0.0, 1e12),
    "margin_share": (0.0, 1.0),
    "goodwill": (0.0, 1e12),
    "review_cost": (0.0, 1e12),
    "review_catch_share": (0.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """The columns of the file that every data set has, and two that it may have.

    Args:
        transaction_id: `ROW_NUMBER` where the place of the row is the id.
        event_time, amount, label, known_time: as in this module's docstring.
        time_unit: what a bare number in a column of times counts, a key of `TIME_UNITS`.
    """

    transaction_id: str
    event_time: str
    amount: str
    label: str | None = None
    known_time: str | None = None
    time_unit: str = "s"


@dataclass(frozen=True, slots=True)
class LabelTimes:
    """When labels come and how long they are waited for, in whole seconds.

    Args:
        delay_s: of the label column, counted from the transaction's known time; None without one.
        source: who the label column speaks for, one of `SOURCES`.
        maturity_s: a transaction without a report for longer than this counts as legitimate.
        horizon_s: later reports are not joined any more; at least `maturity_s`.
        orphan_wait_s: how long a report waits for its transaction.
    """

    delay_s: int | None = None
    source: str = "chargeback"
    maturity_s: int = 30 * DAY_S
    horizon_s: int = 60 * DAY_S
    orphan_wait_s: int = DAY_S


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused.

    Args:
        max_bad_share: the share of rows, 0..1, that may be set aside before the job ends.
        max_lateness_s: known time minus event time, at most.
        max_ahead_s: event time minus known time, at most.
        max_unknown_label_share: the same for labels whose transaction is not there. It is larger, because
            a file of labels often begins with reports about earlier transactions.
    """

    max_bad_share: float = 0.01
    max_lateness_s: int = DAY_S
    max_ahead_s: int = 300
    max_unknown_label_share: float = 0.5


@dataclass(frozen=True, slots=True)
class Schema:
    """One data set.

    Args:
        name: of the data set.
        columns: names of columns in the file.
        entities: name -> column, in the order of `Transactions.entity_keys`; may be empty.
        numeric, categorical: further columns, ordered as in `Transactions`.
        categories: all values of a categorical column, where they are listed.
        labels, limits: see there.
        policy: the costs that were given, by the names in `POLICY_RANGES`.
        model: `prevalence` and `publish_every_labels`, and `features` (a path) where given.
        learning: which strategy, and its numbers.
    """

    name: str
    columns: ColumnNames
    entities: dict[str, str]
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]
    labels: LabelTimes
    limits: Limits
    policy: dict[str, float]
    model: dict[str, Any]
    learning: LearningSettings = field(default_factory=LearningSettings)


def load_schema(text: str, where: str) -> Schema:
    """Read a schema.

    Args:
        text: TOML, as in this module's docstring.
        where: the name of the file, for the error messages.

    Raises:
        ConfigError: naming the key and the fix.

    >>> text = '''
    ... name = "mine"
    ... [columns]
    ... transaction_id = "id"
    ... event_time = "time"
    ... amount = "amount"
    ... [entities]
    ... card = "card"
    ... '''
    >>> schema = load_schema(text, "mine.toml")
    >>> schema.entities, schema.labels.maturity_s, schema.model["prevalence"]
    ({'card': 'card'}, 2592000, 0.005)
    >>> load_schema(text.replace("card =", "Card ="), "mine.toml")
    Traceback (most recent call last):
    fraud_system.errors.ConfigError: mine.toml: entities.Card: not a name for an entity (fix: ...)
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}", field=where) from error
    top = Section(raw, where, "", ["name", *_SECTIONS])
    parts = {name: Section(raw.get(name, {}), where, name, _SECTIONS[name]) for name in _SECTIONS}
    schema = Schema(
        name=top.text("name"),
        columns=_columns(parts["columns"]),
        entities=_entities(parts["entities"]),
        numeric=parts["features"].texts("numeric"),
        categorical=parts["features"].texts("categorical"),
        categories=_categories(parts["categories"], parts["features"].texts("categorical")),
        labels=_labels(parts["labels"]),
        limits=Limits(
            max_bad_share=parts["limits"].number("max_bad_share", 0.01, 0.0, 1.0),
            max_lateness_s=parts["limits"].whole("max_lateness_s", DAY_S, least=0),
            max_ahead_s=parts["limits"].whole("max_ahead_s", 300, least=0),
            max_unknown_label_share=parts["limits"].number(
                "max_unknown_label_share", 0.5, 0.0, 1.0
            ),
        ),
        policy={
            name: parts["policy"].number(name, 0.0, *POLICY_RANGES[name])
            for name in parts["policy"].given
        },
        model=_model(parts["model"]),
        learning=_learning(parts["learning"]),
    )
    _check_columns_used_once(schema, where)
    if schema.columns.label is not None and schema.labels.delay_s is None:
        fix = "say how many seconds after the transaction the label column becomes known"
        raise ConfigError("missing", field=f"{where}: labels.delay_s", fix=fix)
    return schema


# The keys of each section; None where they are the user's own names.
_SECTIONS: dict[str, list[str] | None] = {
    "columns": ["transaction_id", "event_time", "amount", "label", "known_time", "time_unit"],
    "entities": None,
    "features": ["numeric", "categorical"],
    "categories": None,
    "labels": ["delay_s", "source", "maturity_s", "horizon_s", "orphan_wait_s"],
    "limits": ["max_bad_share", "max_unknown_label_share", "max_lateness_s", "max_ahead_s"],
    "policy": list(POLICY_RANGES),
    "model": ["prevalence", "features", "publish_every_labels", "recalibrate"],
    "learning": ["strategy", *LEARNING_RANGES],
}


def _columns(given: Section) -> ColumnNames:
    time_unit = given.optional_text("time_unit") or "s"
    if time_unit not in TIME_UNITS:
        fix = suggestion(time_unit, TIME_UNITS)
        raise given.error("time_unit", f"unknown unit {time_unit!r}", fix)
    return ColumnNames(
        transaction_id=given.text("transaction_id"),
        event_time=given.text("event_time"),
        amount=given.text("amount"),
        label=given.optional_text("label"),
        known_time=given.optional_text("known_time"),
        time_unit=time_unit,
    )


def _entities(given: Section) -> dict[str, str]:
    for name in given.given:
        if not ENTITY_NAME.fullmatch(name):
            raise given.error(name, "not a name for an entity", "lower-case letters, digits and _")
    return {name: given.text(name) for name in given.given}


def _categories(given: Section, categorical: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    for column in given.given:
        if column not in categorical:
            problem = "is not one of features.categorical"
            raise given.error(column, problem, f"add {column!r} there, or leave this out")
        if not given.texts(column):
            raise given.error(column, "lists no values", "list them, or leave it out")
    return {column: given.texts(column) for column in given.given}


def _labels(given: Section) -> LabelTimes:
    maturity_s = given.whole("maturity_s", 30 * DAY_S)
    horizon_s = given.whole("horizon_s", 2 * maturity_s)
    delay_s = given.whole("delay_s", 7 * DAY_S) if "delay_s" in given.given else None
    source = given.optional_text("source") or SOURCES[0]
    if source not in SOURCES:
        raise given.error("source", f"unknown source {source!r}", suggestion(source, SOURCES))
    if horizon_s < maturity_s:
        problem = f"{horizon_s} is shorter than maturity_s = {maturity_s}"
        raise given.error("horizon_s", problem, "at least maturity_s, or leave it out")
    if delay_s is not None and delay_s > horizon_s:
        problem = f"{delay_s} is longer than horizon_s = {horizon_s}: no label would be joined"
        raise given.error("delay_s", problem, "a longer horizon_s or a shorter delay_s")
    orphan_wait_s = given.whole("orphan_wait_s", DAY_S)
    return LabelTimes(delay_s, source, maturity_s, horizon_s, orphan_wait_s)


def _model(given: Section) -> dict[str, Any]:
    model: dict[str, Any] = {
        "prevalence": given.number("prevalence", 0.005, 1e-6, 1 - 1e-6),
        "publish_every_labels": given.whole("publish_every_labels", 1000),
        "recalibrate": given.flag("recalibrate", False),
    }
    if "features" in given.given:
        model["features"] = given.text("features")
    return model


def _learning(given: Section) -> LearningSettings:
    numbers = {
        name: given.number(name, default, *LEARNING_RANGES[name])
        for name, default in asdict(LearningSettings()).items()
        if name in LEARNING_RANGES
    }
    try:
        return LearningSettings(given.optional_text("strategy") or STRATEGIES[0], **numbers)
    except ConfigError as error:
        key = (error.field or "").removeprefix("learning.")
        raise given.error(
            key, error.problem, error.fix or "see the settings of learning"
        ) from error


_COLUMN_USES = ("transaction_id", "event_time", "amount", "label", "known_time")


def _check_columns_used_once(schema: Schema, where: str) -> None:
    names = schema.columns
    uses = [
        *((f"columns.{use}", getattr(names, use)) for use in _COLUMN_USES),
        *((f"entities.{name}", column) for name, column in schema.entities.items()),
        *((f"features.numeric[{i}]", column) for i, column in enumerate(schema.numeric)),
        *((f"features.categorical[{i}]", column) for i, column in enumerate(schema.categorical)),
    ]
    first: dict[str, str] = {}
    for use, column in uses:
        if column == ROW_NUMBER and use != "columns.transaction_id":
            fix = "only transaction_id can be the number of the row"
            raise ConfigError(f"{ROW_NUMBER!r} is no column", field=f"{where}: {use}", fix=fix)
        if column is not None and first.setdefault(column, use) != use:
            problem = f"column {column!r} is already used as {first[column]}"
            raise ConfigError(problem, field=f"{where}: {use}", fix="use each column once")
