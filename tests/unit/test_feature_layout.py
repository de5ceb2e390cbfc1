"""The declared list as arrays: nothing overlaps, and every instruction points where it should."""

import numpy as np
import pytest
from feature_streams import every_kind

from fraud_system.features.declaration import OPCODES, load_features
from fraud_system.features.layout import (
    LAST_FRAUD,
    LAST_LEGITIMATE,
    SINGLES,
    amount_quantiles,
    compile_layout,
    compile_program,
    meetings,
)

TEXT = """
[entities.terminal]
label_scales = ["2d", "9d"]
[entities.card]
scales = ["1h", "3d"]
approved_scales = ["5d"]
label_scales = ["7d"]
[[features]]
kind = "velocity"
entity = "card"
scale = "1h"
long_scale = "3d"
[[features]]
kind = "total"
entity = "card"
scale = "3d"
[[features]]
kind = "approved_count"
entity = "card"
scale = "5d"
[[features]]
kind = "fraud_rate"
entity = "terminal"
scale = "9d"
[[features]]
kind = "fraud_run"
entity = ["terminal", "card"]
"""


def by_name(features):
    program = compile_program(features)
    return {name: [column[row] for column in program] for row, name in enumerate(features.names)}


def test_a_hand_worked_layout():
    features = load_features(TEXT, ["terminal", "card"])
    layout = compile_layout(features)
    assert layout.scales.tolist() == [0, 2]
    assert layout.approved.tolist() == [0, 1]
    assert layout.labels.tolist() == [2, 1]
    # card: 2 counts, 2 totals, 1 approved, 1 label, 1 fraud, and 3 singles; terminal: 2 + 2 + 3
    assert layout.width == 10
    np.testing.assert_array_equal(layout.inverse_scale_s, [[0, 0], [1 / 3_600, 1 / 259_200]])
    np.testing.assert_array_equal(layout.inverse_approved_s, [[0], [1 / 432_000]])
    np.testing.assert_array_equal(
        layout.inverse_label_s, [[1 / 172_800, 1 / 777_600], [1 / 604_800, 0]]
    )
    terminal, card = 0, 1
    assert by_name(features) == {
        "velocity:card:1h:3d": [OPCODES["velocity"], card, 0, 1, 3_600, 259_200, 0],
        "total:card:3d": [OPCODES["total"], card, 3, -1, 259_200, 1, 0],
        "approved_count:card:5d": [OPCODES["approved_count"], card, 4, -1, 432_000, 1, 0],
        "fraud_rate:terminal:9d": [OPCODES["fraud_rate"], terminal, 3, 1, 777_600, 1, 0],
        "fraud_run:terminal": [OPCODES["fraud_run"], terminal, 5, -1, 1, 1, 0],
        "fraud_run:card": [OPCODES["fraud_run"], card, 8, -1, 1, 1, 0],
    }


def test_each_counter_is_read_from_a_place_of_its_own():
    features = every_kind()
    program, layout = compile_program(features), compile_layout(features)
    kinds = ["count", "total", "approved_count", "fraud_count", "amount_to_largest", "fraud_run"]
    kinds += ["amount_to_legitimate"]
    read = [
        (int(program.entity[row]), int(program.place[row]))
        for row, feature in enumerate(features.features)
        if feature.kind in kinds
    ]
    assert len(set(read)) == len(read) > 15
    assert all(0 <= place < layout.width for _, place in read)


def test_marks_are_read_from_the_times():
    found = by_name(every_kind())
    assert found["fraud_recency:device:2d"][2] == LAST_FRAUD
    assert found["legitimate_recency:terminal:5d"][2] == LAST_LEGITIMATE


def test_quantiles_are_kept_once_and_ascending():
    features = every_kind()
    assert amount_quantiles(features) == (0.25, 0.5, 0.9, 0.999)
    found = by_name(features)
    assert found["amount_beyond:0.9"][2] == found["amount_exceeds:0.9"][2] == 2


def test_meetings_are_kept_once_each_way_round():
    features = every_kind()
    device, card, address, terminal = range(4)
    assert meetings(features) == (
        (card, terminal),
        (card, device),
        (terminal, card),
        (terminal, address),
    )
    assert by_name(features)["first_meeting:terminal:card"][1:3] == [terminal, 2]


def test_columns_are_read_where_the_data_has_them():
    found = by_name(every_kind())
    assert found["numeric:age_days"][1:3] == [-1, 1]
    assert found["category:country:5"][1:4] == [-1, 1, 5]


@pytest.mark.parametrize("numeric", [(), ("a",)])
def test_data_without_entities(numeric):
    features = load_features('[[features]]\nkind = "log_amount"', [], numeric)
    layout = compile_layout(features)
    assert layout.width == SINGLES
    assert len(layout.scales) == 0
    assert compile_program(features).entity.tolist() == [-1] * len(features.names)
    assert meetings(features) == ()
    assert amount_quantiles(features) == ()
