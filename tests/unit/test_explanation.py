"""The look-up's answer: base, contributions and recalibration are the log odds of the probability."""

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from monitor_frames import recorded, small_stream
from streams import simulated_settings

from fraud_system.engine import Engine
from fraud_system.events import Column, Table
from fraud_system.models.recalibration import RecalibrationSettings
from fraud_system.publication import Publication
from serving.answers import Answers, InForce
from serving.dashboard.log_odds import sum_of
from serving.wire import Decision, Explanation

ROWS = 60


@pytest.fixture(scope="module", params=[False, True], ids=["as it is", "recalibrated"])
def explained(request: pytest.FixtureRequest) -> list[tuple[Explanation, Table]]:
    """Explanations of the last decisions of a stream, each with its row of the ledger."""
    line = RecalibrationSettings(enabled=request.param, offset_precision=1.0, slope_precision=1.0)
    settings = replace(simulated_settings(), recalibration=line, publish_every_labels=60)
    engine, answers = Engine(settings), Answers(settings)
    published: dict[int, InForce] = {}
    found = []
    for frame in recorded(settings, small_stream(seed=4, days=12)):
        if "published" in frame.tables:
            publication = Publication.from_table(frame.tables["published"])
            served = engine.served_with(publication)
            published[publication.version] = InForce(served, frame.known_time_us)
        if "decision" not in frame.tables:
            continue
        transactions, decisions = frame.tables["transaction"], frame.tables["decision"]
        for row in range(len(decisions["seq"])):
            one, decided = _row(transactions, row), _row(decisions, row)
            found.append((one, decided, published[int(decided["weights_version"][0])]))
    made = []
    for one, decided, in_force in found[-ROWS:]:
        first: Decision = answers.decisions(one, decided, in_force)[0]
        told = answers.explanation(one, decided, in_force, [], "open", first)
        made.append((told, decided))
    assert any(decided["weights_version"][0] > 1 for _, decided in made), "something was learned"
    lines = [told.log_odds_recalibration for told, _ in made]
    assert any(each != 0.0 for each in lines) == request.param
    return made


def _row(table: Table, row: int) -> dict[str, Column]:
    return {name: column[row : row + 1] for name, column in table.items()}


def test_the_rows_add_up_to_the_log_odds_of_the_model(
    explained: list[tuple[Explanation, Table]],
) -> None:
    for told, decided in explained:
        assert told.log_odds_base is not None
        assert told.log_odds_recalibration is not None
        before = told.log_odds_base + math.fsum(each.contribution for each in told.contributions)
        assert before == pytest.approx(float(decided["log_odds"][0]), abs=1e-9)
        probability = told.probability_model
        assert probability is not None
        logit = math.log(probability) - math.log1p(-probability)
        assert before + told.log_odds_recalibration == pytest.approx(logit, abs=1e-9)


def test_the_page_shows_a_sum_of_which_nothing_is_missing(
    explained: list[tuple[Explanation, Table]],
) -> None:
    told, _ = explained[-1]
    rows = sum_of(told, shown=3)
    assert rows is not None
    assert rows.probability == pytest.approx(told.probability_model, abs=1e-9)
    assert len(rows.raises.shown) == len(rows.lowers.shown) == 3
    assert min(each.contribution for each in rows.raises.shown) > 0.0
    assert max(each.contribution for each in rows.lowers.shown) < 0.0
    shown = [each.contribution for side in (rows.raises, rows.lowers) for each in side.shown]
    others = rows.raises.others_add + rows.lowers.others_add
    total = rows.base + sum(shown) + others + rows.recalibration
    assert total == pytest.approx(rows.log_odds, abs=1e-12)


def test_values_are_said_in_words(explained: list[tuple[Explanation, Table]]) -> None:
    told, decided = explained[-1]
    by_name = {each.name: each for each in told.contributions}
    assert by_name["hour_sin"].value_in_words == f"{told.event_time:%H:%M} UTC"
    assert by_name["is_weekend"].value_in_words in ("yes", "no")
    assert all(each.value_in_words for each in told.contributions if " x " not in each.name)
    assert {each.value_in_words for each in told.contributions if " x " in each.name} <= {""}
    assert np.isfinite(decided["probability_model"][0])


def test_weights_that_are_gone_leave_no_sum(explained: list[tuple[Explanation, Table]]) -> None:
    gone = msgspec.structs.replace(explained[0][0], log_odds_base=None, contributions=[])
    assert sum_of(gone) is None
