"""The parts of the dashboard that have bounds: streams, sessions, the ring."""

import asyncio
import re
from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from monitoring.view import MonitorView
from serving.dashboard.formats import moment
from serving.dashboard.page import EVERY_S, Page
from serving.dashboard.pictures import sparkline
from serving.dashboard.rendered import OF_VIEW, Rendered
from serving.dashboard.ring import SAMPLES, Ring
from serving.dashboard.sessions import LASTS_S, MOST, Sessions, set_cookie
from serving.dashboard.shown import Now
from serving.dashboard.stream import BEAT, BEAT_EVERY, MOST_READERS, QUEUE, Piece, Readers, stream
from serving.problems import Problem
from serving.telemetry import Telemetry


def always() -> bool:
    return True


def pieces_of(**texts: str) -> dict[str, Piece]:
    return {name: Piece.of(text) for name, text in texts.items()}


def test_more_readers_than_may_be_are_refused_until_one_leaves() -> None:
    readers = Readers(most=2)
    first, _ = readers.admit(always, {}), readers.admit(always, {})
    with pytest.raises(Problem, match="live") as refused:
        readers.admit(always, {})
    assert refused.value.status == 503
    readers.leave(first)
    readers.admit(always, {})
    assert MOST_READERS > 2


def test_who_does_not_read_is_dropped_and_others_are_not() -> None:
    readers = Readers()
    lazy, busy = readers.admit(always, {}), readers.admit(always, {})
    for number in range(QUEUE + 1):
        readers.give(pieces_of(health=str(number)), "page", "said")
        busy.queue.get_nowait()
    assert lazy.dropped
    assert lazy.queue.qsize() == QUEUE
    assert not busy.dropped


def test_who_is_sent_away_may_come_again_until_the_end() -> None:
    readers = Readers()
    away = readers.admit(always, {})
    readers.send_away()
    assert away.dropped
    assert away.queue.get_nowait() is None
    readers.leave(away)
    readers.admit(always, {})
    readers.end()
    with pytest.raises(Problem, match="ends"):
        readers.admit(always, {})


def test_only_what_is_new_is_sent() -> None:
    readers = Readers()
    reader = readers.admit(always, {})
    readers.give(pieces_of(a="1", b="2"), "page", "said")
    sent = reader.queue.get_nowait() or b""
    assert (
        f'"a":["{Piece.of("1").version}","1"],"b":["{Piece.of("2").version}","2"]' in sent.decode()
    )
    readers.give(pieces_of(a="1", b="3"), "page", "said")
    sent = reader.queue.get_nowait() or b""
    assert b'"b":[' in sent
    assert b'"a":[' not in sent
    assert b"title" not in sent
    readers.give(pieces_of(a="1", b="3"), "page", "said")
    assert reader.queue.empty()


def test_what_a_page_has_when_it_connects_is_not_sent_again() -> None:
    readers = Readers()
    reader = readers.admit(always, {"a": Piece.of("1").version, "b": "00000000"})
    readers.give(pieces_of(a="1", b="2"), "page", "said")
    sent = reader.queue.get_nowait() or b""
    assert b'"b":[' in sent
    assert b'"a":[' not in sent


def test_where_nothing_is_new_there_is_a_beat_now_and_then() -> None:
    readers = Readers()
    reader = readers.admit(always, {})
    readers.give(pieces_of(a="1"), "page", "said")
    reader.queue.get_nowait()
    for _ in range(2):
        for _ in range(BEAT_EVERY - 1):
            readers.give(pieces_of(a="1"), "page", "said")
            assert reader.queue.empty()
        readers.give(pieces_of(a="1"), "page", "said")
        assert reader.queue.get_nowait() == BEAT


def test_a_stream_begins_with_a_beat_says_goodbye_and_ends() -> None:
    sent: list[bytes] = []
    allowed = [True]

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["body"])
        allowed[0] = len(sent) < 2
        readers.give(pieces_of(a=str(len(sent))), "page", "said")

    async def run() -> None:
        await stream(reader, send, asyncio.get_running_loop().create_future())

    readers = Readers()
    reader = readers.admit(lambda: allowed[0], {})
    asyncio.run(run())
    assert sent[0] == BEAT
    assert b"event: pieces" in sent[1]
    assert sent[-1] == b"event: leave\ndata: {}\n\n"


def test_a_stream_ends_when_its_reader_is_gone() -> None:
    async def send(message: dict[str, Any]) -> None:
        gone.set_result(None)

    async def run() -> None:
        nonlocal gone
        gone = asyncio.get_running_loop().create_future()
        await stream(Readers().admit(always, {}), send, gone)

    gone: asyncio.Future[None]
    asyncio.run(run())


def test_a_piece_is_rendered_when_it_is_due_and_of_the_monitors_only_when_they_see_something_new() -> (
    None
):
    now_s, asked = [0.0], Counter[str]()

    class Counting(Page):
        def piece(self, name: str, *given: Any) -> Piece:
            asked[name] += 1
            return super().piece(name, *given)

    figures = Ring().over(60.0)
    now = Now("starting", None, "It is starting.", 0, figures, figures, [])
    view = MonitorView(0, 1, "model", 0, "an alarm", [], [], [])
    rendered = Rendered(Counting({}), lambda: now_s[0])

    def look(seen: MonitorView = view) -> Counter[str]:
        asked.clear()
        assert set(asyncio.run(rendered.pieces(now, seen, ()))) == set(EVERY_S)
        return Counter(asked)

    assert look() == dict.fromkeys(EVERY_S, 1)
    assert look() == {}
    now_s[0] = 10.0
    assert look() == dict.fromkeys(set(EVERY_S) - set(OF_VIEW), 1)
    assert look(replace(view)) == {}, "the same is not new"
    assert set(look(replace(view, read_through_seq=1))) == set(OF_VIEW)
    rendered.clear()
    assert look() == dict.fromkeys(EVERY_S, 1)


def test_the_end_of_the_service_ends_streams_and_admits_nobody() -> None:
    readers = Readers()
    reader = readers.admit(always, {})
    readers.end()
    assert reader.dropped
    with pytest.raises(Problem, match="the service ends"):
        readers.admit(always, {})


def test_sessions_end_by_time_by_their_key_and_by_number() -> None:
    now_s, valid, ids = [0.0], [True], iter(range(10_000))
    sessions = Sessions(lambda: now_s[0], lambda: str(next(ids)))
    first = sessions.begin(lambda: valid[0])
    assert sessions.is_open(first)
    now_s[0] = LASTS_S
    assert not sessions.is_open(first)
    second = sessions.begin(lambda: valid[0])
    valid[0] = False
    assert not sessions.is_open(second)
    valid[0] = True
    assert not sessions.is_open(second), "what has ended stays ended"
    made = [sessions.begin(always) for _ in range(MOST + 1)]
    assert len(sessions) == MOST
    assert not sessions.is_open(made[0])
    assert sessions.is_open(made[-1])


def test_a_cookie_is_for_this_site_and_no_script() -> None:
    words = set_cookie("x", over_tls=True).split(b"; ")
    assert {b"HttpOnly", b"SameSite=Strict", b"Secure", b"Path=/"} <= set(words)
    assert b"Secure" not in set_cookie("x", over_tls=False)
    assert b"Max-Age=0" in set_cookie("", over_tls=False)


def test_the_ring_is_bounded_and_its_steps_add_up() -> None:
    ring, telemetry = Ring(), Telemetry()
    for second in range(2 * SAMPLES):
        telemetry.decisions["heuristic", "review"] += 2
        ring.take(telemetry, float(second))
    assert ring.over(1e9).decided == 2 * (SAMPLES - 1)
    assert ring.over(60.0).decided == ring.over(60.0).heuristic == 120
    steps = ring.steps(5.0, 12)
    assert [each.decided for each in steps] == [10] * 12
    assert ring.over(60.0).latency_p99_s is None


def test_the_picture_and_the_table_are_of_the_same_stretch() -> None:
    ring, telemetry = Ring(), Telemetry()
    for second in range(1_000, 1_373):
        telemetry.decisions["model", "approve"] += second
        telemetry.expected_loss += 2.0
        ring.take(telemetry, float(second))
    steps, minutes = ring.steps(5.0, 120), ring.steps(60.0, 10, end_at_s=5.0)
    assert sum(each.decided for each in steps) == sum(each.decided for each in minutes)
    assert [each.lasted_s for each in minutes] == [10.0, *[60.0] * 6]
    began = ring.since_start()
    assert began.decided == sum(range(1_000, 1_373)), "what was before the first sample counts, too"
    assert (began.lasted_s, began.at_risk) == (372.0, 746.0)


def test_pictures_escape_names_and_break_at_gaps() -> None:
    drawn = str(sparkline([0.1, None, 0.2, 0.3], 'a"<b>', 1.0, [0.5, 2.0]))
    assert "&#34;&lt;b&gt;" in drawn
    assert drawn.count("<polyline") == 1
    assert drawn.count("<circle") == 1
    assert re.findall(r'<path class="level" d="([^"]*)"', drawn) == ["M0 29h240"]
    assert "style" not in drawn


def test_times_say_what_they_are() -> None:
    assert 'datetime="2023-11-14T22:13:20Z"' in moment(1_700_000_000_999_999)
