"""The table of docs/drills.md is one that `make drill` prints."""

import re
from dataclasses import replace
from pathlib import Path

from benchmarks.drill.faults import CONTROL, DRILLS, FOUND, IGNORED, MAY, PLAN_B
from benchmarks.drill.outcome import COLUMNS, Outcome, rows_of, table_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "drills.md"
OUTCOME = Outcome(
    name="weights NaN, 3 days",
    expected=PLAN_B,
    found_by="sanity: size of weights",
    found_after=1,
    plan_b_after=1_290,
    plan_b_hours=119.6,
    plan_b_transactions=15_000,
    back_after_hours=55.2,
    switches=1,
    ends_with="model",
    refused=0,
    bill=39_723.4,
    saved=-1_022.0,
    missed=1_022.0,
    found={"sanity: size of weights": "alarm"},
)


def recorded() -> list[dict[str, str]]:
    """The rows of the document, by column."""
    block = re.search(r"<!-- table -->\n(.*?)\n<!--", DOCUMENT.read_text(), re.DOTALL)
    assert block is not None
    head, _, *rows = (line.strip("| ").split(" | ") for line in block[1].splitlines())
    assert tuple(head) == COLUMNS
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_an_outcome_as_a_row() -> None:
    line = table_of([OUTCOME]).splitlines()[-1]
    assert line == (
        "| weights NaN, 3 days | plan B | sanity: size of weights | 1 | 1,290 | 120 h | 55 h | 1 |"
        " 39,723 | -1,022 | +1,022 |"
    )


def test_the_document_has_every_drill_with_what_should_come_of_it() -> None:
    drills = [(each.name, each.expected) for each in (CONTROL, *DRILLS)]
    assert [(row["drill"], row["should"]) for row in recorded()] == drills


def test_what_is_recorded_in_the_document_is_as_it_should_be() -> None:
    for row in recorded():
        switches = int(row["switches"])
        assert switches <= 1, row["drill"]  # no flapping
        if row["should"] == PLAN_B:
            assert switches == 1
            assert row["back after"] != "-"
        elif row["should"] in (IGNORED, FOUND):
            assert switches == 0
        assert row["should"] in (PLAN_B, IGNORED, MAY) or row["found first by"] != "-"


def test_figures_that_are_unknown_are_left_out() -> None:
    names = [row.name for row in rows_of([OUTCOME])]
    assert "weights NaN, 3 days: plan B answers after" in names
    assert len(names) == 9


def test_a_drill_that_lost_a_payment_is_not_as_it_should_be() -> None:
    assert OUTCOME.as_expected
    assert not replace(OUTCOME, refused=1).as_expected
    assert not replace(OUTCOME, ends_with="heuristic").as_expected
    assert not replace(OUTCOME, switches=0).as_expected
    assert not replace(OUTCOME, expected=IGNORED).as_expected
