"""The dashboard in every state, in a real browser: usable by everybody, small, and with nothing foreign.

States that a running service is in for seconds only are rendered by hand through the same templates.
"""

import gzip
import re
from collections.abc import Iterator

import pytest
from dashboard_states import HOSTILE, pages
from opened_pages import MOST_BYTES, Opened, is_lost, opened, violations
from playwright.sync_api import Browser, Route, expect

from serving.dashboard.endpoints import COMPRESSION
from serving.dashboard.page import ASSETS, asset

MOST_BYTES_GZIP = 30 * 1024
HAND_MADE = "http://dashboard.test"
# Colours do not depend on the width, nor structure on the colours.
LOOKS = {
    "light": (1280, "light", {}),
    "dark": (1280, "dark", {"runOnly": ["color-contrast"]}),
    "narrow": (360, "light", {"rules": {"color-contrast": {"enabled": False}}}),
}


@pytest.fixture(scope="module")
def hand_made(chromium: Browser) -> Iterator[Opened]:
    states = pages()

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(HAND_MADE).partition("?")[0]
        name = path.removeprefix("/assets/")
        if name in ASSETS:
            # Nobody sends events here: what the script makes of that is another test's.
            body = b"" if name == "live.js" else asset(name)
            route.fulfill(body=body, content_type=ASSETS[name].decode())
        elif path[1:] in states:
            route.fulfill(body=states[path[1:]](), content_type="text/html; charset=utf-8")
        else:
            route.abort()

    with chromium.new_context() as context:
        context.route("**/*", answer)
        yield opened(context)


@pytest.mark.parametrize("state", list(pages()))
def test_every_state_is_accessible_fits_and_runs_nothing_foreign(
    hand_made: Opened, state: str
) -> None:
    page = hand_made.page
    page.goto(f"{HAND_MADE}/{state}")
    for look, (width, scheme, options) in LOOKS.items():
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert violations(page, options) == [], look
        assert page.evaluate("document.documentElement.scrollWidth") == width, look
    assert hand_made.troubles == []
    assert {url for url in hand_made.asked_for if not url.startswith(HAND_MADE)} == set()
    assert page.locator("script:not([src]), style, [style], [onerror]").count() == 0
    assert page.locator("main").count() == page.locator("h1").count() == 1


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("model", "The model answers"),
        ("heuristic", "Plan B answers"),
        ("probation", "the model to prove itself: 12 of 20 reports"),
        ("forced", "somebody to release plan B"),
        ("starting", "Transactions are refused"),
        ("learner-dead", "not running: killed by signal 9"),
        ("learner-dead", "simulated time"),
        ("young", "Reports are not judged yet"),
        ("young", "assumed: no report has come yet"),
        ("model", "as learned from 822 reports"),
        ("model", "Since this process began, 10\N{NO-BREAK SPACE}min ago"),
        ("after-alarm", "After an alarm judging begins anew"),
        ("after-alarm", "Reports up to the alarm"),
        ("looked-up", "Raises the probability"),
        ("looked-up", "Sum: the model's probability"),
        ("warnings", HOSTILE),
        ("full", "keeps plan B answering"),
        ("full", "feature shift: 40 features at once"),
        (
            "full",
            "2026-03-04 00:00 to 2026-03-11 00:00, against 2026-02-04 00:00 to 2026-03-04 00:00",
        ),
        ("starting", "The monitors are reading the ledger"),
        ("young", "Nothing has been judged yet: no transaction has come."),
        ("looked-up", "amount against the card's mean"),
        ("not-found", "No such transaction."),
        ("not-switched", "The API key lacks the scope admin."),
        ("not-signed-in", "The API key is not known"),
        ("error", "Too much waits already"),
    ],
)
def test_each_state_says_what_it_is(hand_made: Opened, state: str, said: str) -> None:
    hand_made.page.goto(f"{HAND_MADE}/{state}")
    assert said in hand_made.page.locator("body").inner_text()
    is_plan_b = state in ("heuristic", "full", "after-alarm", "probation", "forced", "starting")
    assert hand_made.page.locator(".banner").count() == is_plan_b


def test_the_sum_of_a_look_up_adds_up_as_it_is_shown(hand_made: Opened) -> None:
    page = hand_made.page
    page.goto(f"{HAND_MADE}/looked-up")
    rows = page.locator("#lookup table.sum tbody tr")
    shown = rows.evaluate_all(
        "all => all.map(each => [each.className, each.lastElementChild.textContent])"
    )
    numbers = [(kind, float(text.replace("\N{MINUS SIGN}", "-"))) for kind, text in shown]
    *groups, total = [number for kind, number in numbers if kind == "group"]
    assert sum(groups) == pytest.approx(total, abs=0.02)
    single = [number for kind, number in numbers if not kind]
    base, recalibration = groups[0], groups[-1]
    assert base + sum(single) + recalibration == pytest.approx(total, abs=0.05)
    assert page.locator("#lookup .tile").nth(1).inner_text().count("3.12") == 1
    assert "3.12" in rows.last.inner_text()


def test_no_number_is_cut_on_a_narrow_screen(hand_made: Opened) -> None:
    """But for the traffic by the minute, which says that it can be swiped."""
    page = hand_made.page
    page.set_viewport_size({"width": 400, "height": 900})
    for state in ("after-alarm", "model", "looked-up"):
        page.goto(f"{HAND_MADE}/{state}")
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        cut = page.locator(".scroll").evaluate_all(
            "all => all.filter(each => each.scrollWidth > each.clientWidth + 1)"
            ".map(each => each.getAttribute('aria-label'))"
        )
        assert cut == ["Traffic as a table"]
        expect(page.locator("#traffic .swipe")).to_be_visible()


def test_what_may_switch_comes_first_and_many_features_are_one_line(hand_made: Opened) -> None:
    page = hand_made.page
    page.goto(f"{HAND_MADE}/full")
    listed = page.locator("#findings .findings > li")
    assert "score shift: model probability" in listed.nth(0).inner_text()
    levels = listed.locator("> .level .word").all_inner_texts()
    assert levels == sorted(levels), "alarms, then warnings"
    assert listed.count() == 1 + 20 + 1 + 1, "the cause, others, and two folds of features"
    fold = listed.nth(21)
    assert (
        "feature_of_the_terminal:39:30d 39; feature_of_the_terminal:38:30d 38;" in fold.inner_text()
    )
    assert "feature_of_the_terminal:5:30d" not in fold.inner_text()
    fold.locator("summary").click()
    assert "feature_of_the_terminal:5:30d" in fold.inner_text()
    assert page.locator("#timeline .timeline").first.locator("> li").count() == 4


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("state", list(pages()))
def test_the_first_load_is_small_in_every_state(state: str, compressed: bool) -> None:
    sent = [pages()[state](), *(asset(name) for name in ASSETS)]
    if compressed:
        sent = [gzip.compress(each, COMPRESSION) for each in sent]
    assert sum(map(len, sent)) < (MOST_BYTES_GZIP if compressed else MOST_BYTES)


@pytest.mark.parametrize("state", ["model", "full", "starting"])
def test_without_word_from_the_scorer_nothing_is_said_to_be_well(
    chromium: Browser, state: str
) -> None:
    html = pages()[state]()

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(HAND_MADE).partition("?")[0]
        name = path.removeprefix("/assets/")
        if name in ASSETS:
            route.fulfill(body=asset(name), content_type=ASSETS[name].decode())
        elif path == "/":
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
        else:
            route.abort()

    with chromium.new_context() as context:
        context.route("**/*", answer)
        found = opened(context)
        page = found.page
        page.goto(HAND_MADE)
        is_lost(page)
        for look, (width, scheme, options) in LOOKS.items():
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert violations(page, options) == [], look
            assert page.evaluate("document.documentElement.scrollWidth") == width, look
        assert found.troubles == []


def test_every_picture_has_a_name_and_its_numbers_beside_it(hand_made: Opened) -> None:
    page = hand_made.page
    page.goto(f"{HAND_MADE}/model")
    pictures = page.locator("svg[role=img]")
    assert pictures.count() > 15
    assert (
        pictures.evaluate_all("all => all.filter(each => !each.getAttribute('aria-label'))") == []
    )
    for name in ("traffic", "calibration", "labels"):
        assert page.locator(f"#{name} details table").count() == 1
    plots = page.locator(".plot").evaluate_all(
        "all => all.map(each => [...each.querySelectorAll('.scale > span, .span > span')]"
        ".map(one => one.textContent))"
    )
    assert len(plots) == 5
    for top, zero, start, end in plots:
        assert re.match(r"[1-9]", top)
        assert zero == "0"
        assert start != end
    assert [each[2:] for each in plots[:3]] == [["10 minutes ago", "now"]] * 3
    assert page.locator("time:not([datetime])").count() == 0
    assert page.locator("#drift svg.spark").count() == page.locator("#drift tbody tr").count() - 1
