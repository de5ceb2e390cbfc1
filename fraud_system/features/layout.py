"""The declared list as a program of plain arrays, which compiled code can walk.

Every entity keeps one row of float64 in a shared table:

    | attempts: count x S | attempts: total x S | approved: count x A |
    | labels: count x L | labels: frauds x L |
    | largest amount | run of frauds | largest legitimate amount |

with S, A and L its numbers of scales. Counters decay as exp(-age / scale). Beside it stand five times
an entity: two clocks of the counters, three marks.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.features.declaration import OPCODES, Entity, Feature, FeatureList, seconds

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Columns of the times: when attempts and labels were last brought up to date, and the marks.
ATTEMPT_CLOCK, LABEL_CLOCK, LAST_FRAUD, LAST_LEGITIMATE, RUN_START = range(5)
TIMES = 5
SINGLES = 3  # floats of an entity that have no scale: the last three of its row


class Layout(NamedTuple):
    """Where each entity keeps what; e entities.

    Args:
        scales, approved, labels: (e,) how many scales of each kind.
        inverse_scale_s, inverse_approved_s, inverse_label_s: (e, most) 1 / scale, in 1/s.
        width: floats in a row.
    """

    scales: Ints
    approved: Ints
    labels: Ints
    inverse_scale_s: Floats
    inverse_approved_s: Floats
    inverse_label_s: Floats
    width: int


class Program(NamedTuple):
    """One instruction for each feature; d features.

    Args:
        opcode: (d,) index in `kinds.KINDS`.
        entity: (d,) which entity, or -1.
        place: (d,) what it reads first: a column of the entity's row or times, or the position of a
            quantile, a meeting, or a numeric or categorical column.
        second: (d,) what else it reads: a column of the row, or the bucket.
        scale_s, long_scale_s: (d,) of the declaration, 1 where there is none.
        log_times: (d,) log of how many times, 0 where there is none.
    """

    opcode: Ints
    entity: Ints
    place: Ints
    second: Ints
    scale_s: Floats
    long_scale_s: Floats
    log_times: Floats


def compile_layout(features: FeatureList) -> Layout:
    """Where each entity keeps what."""

    def inverse(attribute: str) -> tuple[Ints, Floats]:
        scales = [getattr(entity, attribute) for entity in features.entities]
        counts = np.array([len(each) for each in scales], dtype=np.int64)
        table = np.zeros((len(scales), max(1, *counts) if len(counts) else 1))
        for row, each in enumerate(scales):
            table[row, : len(each)] = [1.0 / seconds(text) for text in each]
        return counts, table

    scale_counts, scales = inverse("scales")
    approved_counts, approved = inverse("approved_scales")
    label_counts, labels = inverse("label_scales")
    widths = 2 * scale_counts + approved_counts + 2 * label_counts + SINGLES
    width = int(widths.max()) if len(widths) else SINGLES
    return Layout(scale_counts, approved_counts, label_counts, scales, approved, labels, width)


def amount_quantiles(features: FeatureList) -> tuple[float, ...]:
    """The quantiles of the amount that the list reads, each once, in order."""
    options = [dict(feature.options) for feature in features.features]
    return tuple(sorted({float(each["quantile"]) for each in options if "quantile" in each}))


def meetings(features: FeatureList) -> tuple[tuple[int, int], ...]:
    """The pairs of entities whose first meeting the list reads, as positions."""
    names = [entity.name for entity in features.entities]
    pairs: dict[tuple[int, int], None] = {}
    for feature in features.features:
        options = dict(feature.options)
        if "other" in options:
            pairs[names.index(options["entity"]), names.index(options["other"])] = None
    return tuple(pairs)


def compile_program(features: FeatureList) -> Program:
    """One instruction for each feature, in order."""
    size = len(features.features)
    program = Program(
        opcode=np.array([OPCODES[f.kind] for f in features.features], dtype=np.int64),
        entity=np.full(size, -1, dtype=np.int64),
        place=np.full(size, -1, dtype=np.int64),
        second=np.full(size, -1, dtype=np.int64),
        scale_s=np.ones(size),
        long_scale_s=np.ones(size),
        log_times=np.zeros(size),
    )
    names = [entity.name for entity in features.entities]
    quantiles = amount_quantiles(features)
    pairs = meetings(features)
    for index, feature in enumerate(features.features):
        options = dict(feature.options)
        if "quantile" in options:
            program.place[index] = quantiles.index(float(options["quantile"]))
        elif feature.kind == "numeric":
            program.place[index] = features.numeric.index(options["column"])
        elif feature.kind == "category":
            program.place[index] = features.categorical.index(options["column"])
            program.second[index] = int(options["bucket"])
        elif "entity" in options:
            position = names.index(options["entity"])
            program.entity[index] = position
            if "other" in options:
                pair = (position, names.index(options["other"]))
                program.place[index] = pairs.index(pair)
            else:
                entity = features.entities[position]
                program.place[index], program.second[index] = _columns(entity, feature)
            for need, target in SCALE_OF_NEED.items():
                if need in options:
                    getattr(program, target)[index] = seconds(options[need])
            program.log_times[index] = math.log(float(options.get("times", 1.0)))
    return program


SCALE_OF_NEED = {
    "scale": "scale_s",
    "label_scale": "scale_s",
    "approved_scale": "scale_s",
    "age": "scale_s",
    "long_scale": "long_scale_s",
}


def _columns(entity: Entity, feature: Feature) -> tuple[int, int]:
    """What a feature reads of its entity, as in the picture above; -1 for nothing."""
    options = dict(feature.options)
    totals = len(entity.scales)
    approved = totals + len(entity.scales)
    labels = approved + len(entity.approved_scales)
    frauds = labels + len(entity.label_scales)
    largest = frauds + len(entity.label_scales)
    at = entity.scales.index(options["scale"]) if "scale" in options else 0
    if "label_scale" in options:
        at = entity.label_scales.index(options["label_scale"])
    match feature.kind:
        case "count":
            return at, -1
        case "total":
            return totals + at, -1
        case "approved_count":
            return approved + entity.approved_scales.index(options["approved_scale"]), -1
        case "amount_to_mean":
            return at, totals + at
        case "velocity":
            return at, entity.scales.index(options["long_scale"])
        case "amount_to_largest":
            return largest, -1
        case "fraud_rate":
            return frauds + at, labels + at
        case "fraud_count":
            return frauds + at, -1
        case "fraud_run":
            return largest + 1, -1
        case "fraud_run_older":
            return largest + 1, RUN_START
        case "amount_to_legitimate" | "amount_beyond_legitimate":
            return largest + 2, -1
        case "fraud_recency":
            return LAST_FRAUD, -1
        case "legitimate_recency":
            return LAST_LEGITIMATE, -1
    return -1, -1
