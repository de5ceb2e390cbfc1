"""What the page says of the processes beside the scorer."""

import re

import pytest
from dashboard_states import state

from serving.dashboard.page import Page
from serving.dashboard.ring import Ring
from serving.dashboard.shown import Now
from serving.wire import WorkerState


@pytest.mark.parametrize(
    ("worker", "words"),
    [
        (WorkerState(True, 0, None, 0, {}, "", stale=True), "▲ warning starting"),
        (WorkerState(True, 0, 90.0, 0, {}, "", stale=True), "■ alarm silent"),
        (WorkerState(False, 1, 9.0, 0, {}, "killed", stale=True), "■ alarm not running: killed"),
        (WorkerState(True, 0, 1.0, 0, {}, ""), "● well"),
    ],
)
def test_a_process_that_has_not_spoken_yet_is_starting_and_not_silent(
    worker: WorkerState, words: str
) -> None:
    figures = Ring().over(60.0)
    now = Now("model", state(workers={"learner": worker}), "", 0, figures, figures, [])
    text = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", str(Page({}).piece("health", now, None, ()))))
    assert f"learner {words}" in text
