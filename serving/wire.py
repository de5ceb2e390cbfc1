"""What is said over HTTP: one definition of each type, for validation, OpenAPI and the client.

The types of answers are fixed; the type of a transaction is made at start-up from the data set's schema, so
that its fields are those columns which the schema names: entities by their names (`card`), further
columns by theirs. msgspec checks and decodes JSON into these types in one pass, and describes them as
JSON Schema for the OpenAPI document.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from fraud_system.errors import ConfigError
from fraud_system.limits import MAX_AMOUNT, MAX_ID_BYTES, MAX_NUMERIC
from serving.problems import ProblemDocument

if TYPE_CHECKING:  # the client imports these types, and needs no compiler
    from fraud_system.schema import Schema

MAX_TEXT = 256  # characters of a card, a terminal or a category
MAX_LABEL_ID = 200
# `\Z`, because the `$` of Python lets a last line end pass. The one of JSON Schema does not (`openapi`).
_PRINTABLE = r"^[^\x00-\x1f\x7f]+\Z"

TransactionId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_ID_BYTES,
        pattern=_PRINTABLE,
        description=f"unique within the horizon of labels; at most {MAX_ID_BYTES} bytes in UTF-8",
    ),
]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT, pattern=_PRINTABLE)]
Number = Annotated[float, Meta(ge=-MAX_NUMERIC, le=MAX_NUMERIC)]
EventTime = Annotated[
    datetime,
    Meta(
        tz=True,
        description="the sender's clock, RFC 3339 with an offset; near the service's own",
    ),
]
Amount = Annotated[float, Meta(ge=0.0, le=MAX_AMOUNT, description="in major currency units")]
LabelId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_LABEL_ID,
        pattern=_PRINTABLE,
        description="of this report, such as the number of the chargeback; makes repeating it safe",
    ),
]
Moment = Annotated[datetime, Meta(tz=True)]
Source = Literal["chargeback", "review", "user_report"]
ActionName = Literal["approve", "review", "decline"]
ScorerName = Literal["model", "heuristic"]
OutcomeName = Literal[
    "fraud_joined",
    "late_fraud_joined",
    "reversal_joined",
    "duplicate",
    "reversal_without_fraud",
    "fraud_after_reversal",
    "parked",
]


class Decision(Struct, frozen=True, gc=False):
    """The answer to one transaction. Repeating the transaction gives the same answer again.

    Args:
        transaction_id: as sent.
        probability: of fraud, calibrated.
        expected_loss: probability x amount, in the currency of the amount.
        action: the cheapest in expectation.
        reasons: at most three, what raises the score most first.
        scorer: who gave the probability; `heuristic` is plan B.
        weights_version: of the weights that were in force.
        weights_age_s: how long they had been in force.
        arm: of an experiment.
        known_time: when the engine came to know of the transaction.
        seq: its place in the ledger.
    """

    transaction_id: str
    probability: Annotated[float, Meta(ge=0.0, le=1.0)]
    expected_loss: Annotated[float, Meta(ge=0.0)]
    action: ActionName
    reasons: list[str]
    scorer: ScorerName
    weights_version: int
    weights_age_s: float
    arm: Literal["champion"]
    known_time: Moment
    seq: Annotated[int, Meta(ge=1)]


class Label(Struct, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True):
    """One report about a transaction.

    Args:
        transaction_id: the transaction that it is about; it may come first, the transaction later.
        is_fraud: false takes an earlier report of fraud back. Nobody has to report legitimate ones:
            they become so by maturing.
        source: who says so.
        label_id: of the report; without it, transaction, source and is_fraud name the report.
    """

    transaction_id: TransactionId
    is_fraud: bool
    source: Source
    label_id: LabelId | None = None


class LabelReceipt(Struct, frozen=True, gc=False):
    """The answer to one report, given once it is durable. Repeating the report gives it again.

    Args:
        transaction_id: as sent.
        label_id: as sent, or null.
        outcome: what the joiner made of it.
        known_time: when the engine came to know of it.
        seq: its place in the ledger.
    """

    transaction_id: str
    label_id: str | None
    outcome: OutcomeName
    known_time: Moment
    seq: Annotated[int, Meta(ge=1)]


class Contribution(Struct, frozen=True):
    """What one feature, or one interaction of two, adds to the log odds.

    Args:
        name: of the feature; `a x b` for an interaction.
        words: what it is.
        value: as logged; null where it was missing, and for interactions.
        contribution: to the log odds, measured from the average transaction.
        value_in_words: the value as a person would say it; empty for interactions.
    """

    name: str
    words: str
    value: float | None
    contribution: float
    value_in_words: str = ""


class KnownLabel(Struct, frozen=True):
    """A report that has come about a transaction."""

    is_fraud: bool
    source: Source
    outcome: OutcomeName
    known_time: Moment
    seq: int


class Explanation(Struct, frozen=True):
    """Everything on record about one decision.

    Args:
        decision: as it was given.
        event_time, amount: as they came.
        entities: the 64-bit keys that stand for card, terminal and so on, in hexadecimal; null where the
            transaction named none. The texts themselves are not kept.
        categories: of each category its key, likewise.
        numeric: further numbers as they came.
        probability_model, probability_heuristic, probability_constant: of the model, of plan B, and the
            fraud rate known at that moment. A model that failed gave null.
        log_odds_base: of the average transaction, from which contributions are measured: the model's
            intercept. Base, all contributions and `log_odds_recalibration` sum to the log odds of
            `probability_model`. Null where the weights are not on record any more.
        log_odds_recalibration: what the line through the model's log odds adds to them; 0 where
            recalibration is off.
        contributions: largest first; empty where the weights are not on record any more.
        labels: reports so far.
        status: of the transaction: open, matured, fraud or reversed; null beyond the label horizon.
    """

    decision: Decision
    event_time: Moment
    amount: float
    entities: dict[str, str | None]
    categories: dict[str, str | None]
    numeric: dict[str, float | None]
    probability_model: float | None
    probability_heuristic: float
    probability_constant: float
    contributions: list[Contribution]
    labels: list[KnownLabel]
    status: Literal["open", "matured", "fraud", "reversed"] | None
    log_odds_base: float | None = None
    log_odds_recalibration: float | None = None


class ModeChange(Struct, frozen=True, forbid_unknown_fields=True):
    """Force plan B, or release it.

    Args:
        mode: who shall answer.
        reason: kept in the ledger with the switch.
    """

    mode: ScorerName
    reason: Annotated[str, Meta(min_length=1, max_length=200, pattern=_PRINTABLE)]


class ModeChanged(Struct, frozen=True):
    """It is so, durably.

    Args:
        mode: who was asked for.
        seq: of the switch. Where it was so already nothing is recorded, and this is the switch that made it
            so; null if that is older than what the monitors remember, or if there was none.
    """

    mode: ScorerName
    seq: int | None


class ChampionLoaded(Struct, frozen=True):
    """The exported model answers, and the learner goes on from it."""

    weights_version: int
    seq: int


class RowProblem(Struct, frozen=True, gc=False):
    """A row of a batch that was refused; the other rows are not concerned."""

    transaction_id: str
    problem: ProblemDocument


class WorkerState(Struct, frozen=True):
    """A process beside the scorer.

    Args:
        alive: it runs.
        restarts: how often it was started again.
        heard_s: seconds since it last said something; null before the first time.
        behind_events: how far its reading is behind the ledger.
        figures: what it counts.
        last_error: why its last life ended.
        stale: it does not run, or has been silent for too long.
    """

    alive: bool
    restarts: int
    heard_s: float | None
    behind_events: int
    figures: dict[str, int]
    last_error: str
    stale: bool = False


class ModelState(Struct, frozen=True):
    """What answers now, and how fresh it is.

    Args:
        mode: who answers.
        kind: of the model.
        weights_version: in force.
        weights_age_s: since their adoption.
        known_time: of the newest event.
        last_seq: of the newest event.
        clock: `wall`, or `traffic` in a demo.
        idempotency_horizon_s: within it a repeated id gives the first answer.
        settings: fingerprint of the settings.
        features, interactions: how many.
        labels: what the joiner has done, by name.
        label_silence_s: since the last report; null before the first.
        learner_stale: the learner is dead or silent, so weights may be old.
        workers: by name.
        memory_bytes: of the engine's state.
        api_keys_broken: the file of API keys cannot be used, so the keys that were read last go on working.
    """

    mode: ScorerName
    kind: str
    weights_version: int
    weights_age_s: float
    known_time: Moment
    last_seq: int
    clock: Literal["wall", "traffic"]
    idempotency_horizon_s: int
    settings: str
    features: int
    interactions: int
    labels: dict[str, int]
    label_silence_s: float | None
    learner_stale: bool
    workers: dict[str, WorkerState]
    memory_bytes: int
    api_keys_broken: bool = False


def transaction_type(schema: "Schema") -> type[Struct]:
    """The type of a transaction of this data set.

    Its attributes are `transaction_id`, `event_time`, `amount`, then `entity_0`.., `numeric_0`..,
    `category_0`..; in JSON they have the names of the schema, in its order.

    Raises:
        ConfigError: an entity or column has the name of one of the first three, or of another.

    >>> from fraud_system.schema import load_schema
    >>> text = '''
    ... name = "mine"
    ... [columns]
    ... transaction_id = "id"
    ... event_time = "time"
    ... amount = "amount"
    ... [entities]
    ... card = "card"
    ... '''
    >>> kind = transaction_type(load_schema(text, "mine.toml"))
    >>> sent = b'{"transaction_id": "1", "event_time": "2026-01-31T12:00:00Z", "amount": 5, "card": "c"}'
    >>> msgspec.json.decode(sent, type=kind).entity_0
    'c'
    """
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        ("transaction_id", TransactionId),
        ("event_time", EventTime),
        ("amount", Amount),
    ]
    names: dict[str, str] = {}
    kinds = (
        ("entity", tuple(schema.entities), lambda name: Text),
        ("numeric", schema.numeric, lambda name: Number),
        ("category", schema.categorical, lambda name: _category(schema, name)),
    )
    for kind, columns, type_of in kinds:
        for position, column in enumerate(columns):
            if column in {"transaction_id", "event_time", "amount", *names.values()}:
                raise ConfigError(
                    f"two fields of a transaction would be called {column!r}",
                    field=f"schema: {column}",
                    fix="give the entity or the column another name",
                )
            names[f"{kind}_{position}"] = column
            fields.append((f"{kind}_{position}", type_of(column) | None, None))
    return msgspec.defstruct(
        "Transaction",
        fields,
        kw_only=True,
        frozen=True,
        gc=False,
        forbid_unknown_fields=True,
        rename=lambda attribute: names.get(attribute, attribute),
        namespace={"__doc__": "One attempt to pay. What is null or absent counts as missing."},
    )


def _category(schema: "Schema", column: str) -> Any:
    values = schema.categories.get(column)
    return Literal[values] if values else Text


Sent = TypeVar("Sent")


def decoder(kind: type[Sent]) -> msgspec.json.Decoder[Sent]:
    """Of JSON into a type; numbers in strings and the like are refused."""
    return msgspec.json.Decoder(kind, strict=True)
