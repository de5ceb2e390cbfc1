"""The declared list as a program of plain arrays, which compiled code can walk.

Every entity keeps one row of float64 in a shared table:

    | attempts: count x S | attempts: total x S | approved: count x A |
    | labels: count x L | labels: frauds x L | largest amount | run of frauds |

with S, A and L its numbers of scales. Counters decay as exp(-age / scale).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.features.declaration import OPCODES, Entity, FeatureList, seconds

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


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
        opcode: (d,) index in `declaration.KINDS`.
        entity: (d,) which entity, or -1.
        place: (d,) scale, quantile, other entity or column that it reads.
        second: (d,) long scale or bucket.
        scale_s: (d,) of `place`, where the formula needs it.
        long_scale_s: (d,) of `second`.
    """

    opcode: Ints
    entity: Ints
    place: Ints
    second: Ints
    scale_s: Floats
    long_scale_s: Floats


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
    widths = 2 * scale_counts + approved_counts + 2 * label_counts + 2
    width = int(widths.max()) if len(widths) else 2
    return Layout(scale_counts, approved_counts, label_counts, scales, approved, labels, width)


def amount_quantiles(features: FeatureList) -> tuple[float, ...]:
    """The quantiles of the amount that the list reads, each once, in order."""
    found = {
        dict(f.options)["quantile"] for f in features.features if "quantile" in dict(f.options)
    }
    return tuple(sorted(float(text) for text in found))


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
    )
    names = [entity.name for entity in features.entities]
    quantiles = amount_quantiles(features)
    pairs = meetings(features)
    for index, feature in enumerate(features.features):
        options = dict(feature.options)
        if "entity" in options:
            position = names.index(options["entity"])
            program.entity[index] = position
            _place_scales(program, index, features.entities[position], options)
        if "other" in options:
            program.place[index] = pairs.index((position, names.index(options["other"])))
        if "quantile" in options:
            program.place[index] = quantiles.index(float(options["quantile"]))
        if feature.kind == "numeric":
            program.place[index] = features.numeric.index(options["column"])
        if feature.kind == "category":
            program.place[index] = features.categorical.index(options["column"])
            program.second[index] = int(options["bucket"])
    return program


def _place_scales(program: Program, index: int, entity: Entity, options: dict[str, str]) -> None:
    for key, attribute in (
        ("scale", "scales"),
        ("approved_scale", "approved_scales"),
        ("label_scale", "label_scales"),
    ):
        if key in options:
            program.place[index] = getattr(entity, attribute).index(options[key])
            program.scale_s[index] = seconds(options[key])
    if "long_scale" in options:
        program.second[index] = entity.scales.index(options["long_scale"])
        program.long_scale_s[index] = seconds(options["long_scale"])
