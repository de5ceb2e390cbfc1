"""The dashboard in a real browser: usable by everybody, live, in every state, and by nobody else's leave.

States that a running service is in for seconds only are rendered by hand through the same templates.
"""

import gzip
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from dashboard_states import HOSTILE, pages
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright
from running import ROOT, Running, running_service

from serving.dashboard.endpoints import COMPRESSION
from serving.dashboard.page import ASSETS, asset
from serving.key_file import add_key

MOST_BYTES = 150 * 1024
MOST_BYTES_GZIP = 30 * 1024
LAST_HEARD = re.compile(r"last heard at \d\d:\d\d:\d\d UTC")
GUARD_MS = 120_000  # a wait ends when what it waits for happens
TOLD = rb'"([a-z_]+)"(?=:\["[0-9a-f]{8}")'  # names of pieces in the stream of events
expect.set_options(timeout=GUARD_MS)
HAND_MADE = "http://dashboard.test"
# Colours do not depend on the width, nor structure on the colours.
LOOKS = {
    "light": (1280, "light", {}),
    "dark": (1280, "dark", {"runOnly": ["color-contrast"]}),
    "narrow": (360, "light", {"rules": {"color-contrast": {"enabled": False}}}),
}


@pytest.fixture(scope="module")
def chromium(require_program: Callable[[str], str]) -> Iterator[Browser]:
    program = require_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page, what it asked for, and what went wrong in it."""

    page: Page
    asked_for: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


def opened(context: BrowserContext) -> Opened:
    context.set_default_timeout(GUARD_MS)
    found = Opened(context.new_page())
    found.page.on("request", lambda request: found.asked_for.append(request.url))
    found.page.on("pageerror", lambda error: found.troubles.append(str(error)))
    found.page.on("dialog", lambda dialog: found.troubles.append(dialog.message))
    return found


def violations(page: Page, options: dict[str, Any] | None = None) -> list[str]:
    found = Axe().run(page, options=options).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]


# Made by hand


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


def is_lost(page: Page) -> None:
    """The page says that it is old: to who looks, who listens, and who sees its tab alone."""
    expect(page.locator("#lost")).to_contain_text(LAST_HEARD)
    assert page.locator("#lost").is_visible()
    assert not page.locator("#banner").is_visible()
    assert LAST_HEARD.search(page.locator("#announced").inner_text())
    expect(page).to_have_title("No word \N{MIDDLE DOT} Fraud scorer")
    expect(page.locator("#live")).to_contain_text("not live")
    assert page.locator("#health .who").inner_text().startswith("Not known now. Last heard: ")
    assert "well" not in page.locator("#health").inner_text()
    for section in page.locator(".told").all():
        assert section.evaluate("each => getComputedStyle(each).borderTopStyle") == "dashed"


def is_live(page: Page) -> None:
    """Nothing of that is left."""
    expect(page.locator("#live")).to_have_text("live")
    assert not page.locator("#lost").is_visible()
    expect(page).to_have_title("Fraud scorer")
    expect(page.locator("#health .who")).to_have_text("The model answers")
    expect(page.locator("#health tbody .level.ok")).to_have_count(3)
    assert page.locator("[data-stale]").count() == 0


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


# The service itself


@dataclass
class Scorer:
    running: Running
    read_key: str
    admin_key: str
    known_time: str


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scorer]:
    """A service with keys, and three days of the demo's traffic."""
    folder = tmp_path_factory.mktemp("dashboard")
    keys = folder / "keys.json"
    read_key, admin_key, demo_key = (
        add_key(keys, name, scopes, now_s=time.time())
        for name, scopes in (
            ("reader", ["read"]),
            ("boss", ["admin"]),
            ("demo", ["score", "label", "read"]),
        )
    )
    with running_service(folder, clock="traffic", api_keys_file=keys) as running:
        running.wait_until_ready()
        command = [sys.executable, "-m", "serving.demo_traffic", "--days", "3", "--batch", "256"]
        environment = os.environ | {"FRAUD_URL": running.url, "FRAUD_API_KEY": demo_key}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        headers = {"authorization": f"Bearer {demo_key}"}
        running.client.headers.update(headers)
        known_time = running.client.get("/v1/model").json()["known_time"]
        yield Scorer(running, read_key, admin_key, known_time)


def score(scorer: Scorer, transaction_id: str) -> None:
    sent = {
        "transaction_id": transaction_id,
        "event_time": scorer.known_time,
        "amount": 4_900.0,
        "card": "dashboard",
        "terminal": "dashboard",
    }
    assert scorer.running.client.post("/v1/score", json=sent).status_code == 200


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, scorer: Scorer) -> Iterator[Opened]:
    """By keyboard alone."""
    with chromium.new_context() as context:
        found = opened(context)
        page = found.page
        page.goto(scorer.running.url)
        assert violations(page) == []
        assert page.locator("#health").count() == 0
        page.locator("body").press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.type(scorer.admin_key)
        page.keyboard.press("Enter")
        assert "The API key lacks the scope read" in page.locator("[role=alert]").inner_text()
        page.get_by_label("API key").fill(scorer.read_key)
        page.keyboard.press("Enter")
        expect(page.locator("#health")).to_be_visible()
        expect(page.locator("#live")).to_have_text("live")
        yield found


def test_it_is_light_asks_no_other_host_and_keeps_no_key(signed_in: Opened, scorer: Scorer) -> None:
    page, url = signed_in.page, scorer.running.url
    loaded = page.evaluate(
        """() => [...performance.getEntriesByType("navigation"),
        ...performance.getEntriesByType("resource")].map(each => [each.name, each.decodedBodySize])"""
    )
    sizes = {name.removeprefix(url).partition("?")[0]: size for name, size in loaded}
    assert {"/", "/assets/style.css", "/assets/live.js"} <= set(sizes)
    assert min(sizes["/"], sizes["/assets/style.css"]) > 5_000
    assert sum(sizes.values()) + len(asset("icon.svg")) < MOST_BYTES
    assert {each for each in signed_in.asked_for if not each.startswith(url)} == set()
    assert signed_in.troubles == []
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert scorer.read_key not in str(cookie) + page.content()
    assert (
        page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
    )
    assert violations(page) == []


def test_what_happens_is_shown_while_it_happens(signed_in: Opened, scorer: Scorer) -> None:
    page = signed_in.page
    page.locator("#traffic summary").click()
    page.locator("#reason").fill("half a sentence")
    page.evaluate("window.notLoadedAnew = true")
    before = page.locator("#health .tile").nth(2).inner_text()
    score(scorer, "dashboard-live")
    expect(page.locator("#health .tile").nth(2)).not_to_have_text(re.compile(re.escape(before)))
    expect(page.locator("#traffic details tbody tr").first).to_contain_text("last minute")
    assert page.evaluate("window.notLoadedAnew")
    assert page.locator("#traffic details").get_attribute("open") is not None
    assert page.locator("#reason").input_value() == "half a sentence"
    assert page.evaluate("document.activeElement.id") == "reason"


def test_the_keyboard_reaches_everything_and_shows_where_it_is(signed_in: Opened) -> None:
    page = signed_in.page
    page.reload()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    seen = []
    for _ in range(80):
        at = page.evaluate(
            """() => { const at = document.activeElement, look = getComputedStyle(at);
            return [at.outerHTML.slice(0, 80), look.outlineStyle !== "none" || at.className === "skip"
                    || at.type === "radio"]; }"""
        )
        seen.append(at[0])
        assert at[1], f"no visible focus: {at[0]}"
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
    wanted = "a[href], button, input:not([type=radio]), summary, [tabindex='0']"
    tabbable = page.locator(wanted).evaluate_all(
        "all => all.filter(each => each.checkVisibility()).map(each => each.outerHTML.slice(0, 80))"
    )
    assert set(tabbable) <= set(seen)
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_a_transaction_is_looked_up(signed_in: Opened, scorer: Scorer) -> None:
    page = signed_in.page
    score(scorer, "dashboard/one & two")
    page.get_by_label("Transaction id").fill("dashboard/one & two")
    page.keyboard.press("Enter")
    expect(page.locator("#lookup h3").first).to_have_text("Transaction dashboard/one & two")
    assert page.locator("#lookup .tile").count() == 4
    assert violations(page) == []
    page.get_by_label("Transaction id").fill("nobody")
    page.keyboard.press("Enter")
    expect(page.locator("[role=alert]")).to_contain_text("No such transaction is on record")


def test_plan_b_is_forced_and_released_with_an_admin_key(signed_in: Opened, scorer: Scorer) -> None:
    page = signed_in.page
    page.goto(scorer.running.url)
    watching = page.context.new_page()
    watching.goto(scorer.running.url)
    expect(watching.locator("#live")).to_have_text("live")

    def switch(choice: str, key: str) -> None:
        page.get_by_label(choice).check()
        page.get_by_label("Reason").fill("a drill")
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Switch").click()

    switch("Force plan B", scorer.read_key)
    expect(page.locator("[role=alert]")).to_contain_text("lacks the scope admin")
    assert page.get_by_label("Reason").input_value() == "a drill"
    assert page.get_by_label("API key").input_value() == ""
    switch("Force plan B", scorer.admin_key)
    for each in (page, watching):
        expect(each.locator(".banner")).to_have_text("Plan B answers")
        expect(each.locator("#announced")).to_contain_text("somebody forced it")
        expect(each).to_have_title("Plan B \N{MIDDLE DOT} Fraud scorer")
    expect(watching.locator("#timeline")).to_contain_text("a drill")
    switch("Release", scorer.admin_key)
    expect(watching.locator(".banner")).to_have_count(0)
    watching.close()


def test_it_works_without_a_script(signed_in: Opened, scorer: Scorer, chromium: Browser) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        context.add_cookies(signed_in.page.context.cookies())  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(scorer.running.url)
        assert "The model answers" in page.locator("#health").inner_text()
        assert page.locator("#pipeline tbody tr").count() == 13
        page.locator("#transaction_id").fill("dashboard-live")
        page.locator("#lookup button").click()
        assert "dashboard-live" in page.locator("#lookup h3").first.inner_text()


def test_forms_of_other_sites_and_strangers_are_refused(scorer: Scorer) -> None:
    url = scorer.running.url
    form = {"mode": "heuristic", "reason": "evil", "key": scorer.admin_key}
    with httpx.Client(base_url=url, trust_env=False) as client:
        for headers in (
            {},
            {"sec-fetch-site": "cross-site", "origin": url},
            {"sec-fetch-site": "same-site", "origin": url},
            {"origin": "http://127.0.0.1:1"},
        ):
            assert client.post("/mode", data=form, headers=headers).status_code == 403, headers
        assert client.post("/mode", json=form, headers={"origin": url}).status_code == 415
        assert client.get("/events").status_code == 401
        assert client.get("/decisions?transaction_id=dashboard-live").text.count("Sign in") > 1
        assert client.get("/events", headers={"cookie": "fraud_session=guessed"}).status_code == 401
        answer = client.post("/sign-in", data={"key": "fk_no_key"}, headers={"origin": url})
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        policy = client.get("/").headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy


def test_nothing_is_sent_while_nothing_changes(signed_in: Opened, scorer: Scorer) -> None:
    """Of an idle scorer, beats: a minute after the last traffic, when workers have told of it.

    But the last ten minutes go on passing, so their pictures are sent.
    """
    page = signed_in.page
    page.goto(scorer.running.url)
    has = page.locator("[data-v]").evaluate_all(
        "all => all.map(e => `${e.id}.${e.dataset.v}`).join()"
    )
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}  # type: ignore[typeddict-item]
    sent, quiet = b"", 0
    with (
        httpx.Client(base_url=scorer.running.url, cookies=cookies, trust_env=False) as client,
        client.stream("GET", "/events", params={"have": has}, timeout=GUARD_MS) as answer,
    ):
        assert "content-encoding" not in answer.headers
        for some in answer.iter_bytes():
            sent += some
            quiet += some.count(b"event: beat")
            if set(re.findall(TOLD, some)) - {b"last_minutes"}:
                quiet = 0
            if quiet == 3:
                break
            assert sent.count(b"event: ") < 200, "it never comes to rest"
    versions = re.findall(TOLD + rb':\["([0-9a-f]{8})"', sent)
    assert len(versions) == len(set(versions)), "nothing is sent twice"


def test_pages_are_compressed_for_who_takes_it(signed_in: Opened, scorer: Scorer) -> None:
    cookies = {each["name"]: each["value"] for each in signed_in.page.context.cookies()}  # type: ignore[typeddict-item]
    with httpx.Client(base_url=scorer.running.url, cookies=cookies, trust_env=False) as client:
        for path in ("/", "/assets/style.css", "/assets/live.js"):
            plain = client.get(path, headers={"accept-encoding": "identity"})
            packed = client.get(path, headers={"accept-encoding": "gzip"})
            assert "content-encoding" not in plain.headers
            assert packed.headers["content-encoding"] == "gzip"
            assert int(packed.headers["content-length"]) < len(plain.content) / 2
            assert "accept-encoding" in packed.headers["vary"].lower()
    answer = scorer.running.client.get("/v1/model", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers, "answers of the API are not"


def test_a_scorer_that_falls_silent_is_not_shown_as_well_until_it_is_back(
    signed_in: Opened, scorer: Scorer
) -> None:
    """It is stopped, not ended: the connection stays, and says nothing."""
    page = signed_in.page
    page.goto(scorer.running.url)
    is_live(page)
    page.evaluate("window.notLoadedAnew = true")
    scorer.running.process.send_signal(signal.SIGSTOP)
    try:
        is_lost(page)
        expect(page.locator("#health tbody [data-fresh]").first).to_contain_text("s ago")
        assert violations(page) == []
    finally:
        scorer.running.process.send_signal(signal.SIGCONT)
    is_live(page)
    expect(page.locator("#announced")).to_contain_text("The page is live again.")
    assert page.evaluate("window.notLoadedAnew")


def test_signing_out_ends_it_also_for_the_pages_that_are_open(
    signed_in: Opened, scorer: Scorer
) -> None:
    page = signed_in.page
    page.goto(scorer.running.url)
    watching = page.context.new_page()
    watching.goto(scorer.running.url)
    expect(watching.locator("#live")).to_have_text("live")
    page.get_by_role("button", name="Sign out").click()
    for each in (page, watching):
        expect(each.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.context.cookies() == []
    watching.close()


def test_open_streams_do_not_keep_the_service_from_ending(
    scorer: Scorer, chromium: Browser, tmp_path: Path
) -> None:
    """The last test of the service: it ends."""
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(scorer.running.url)
        page.get_by_label("API key").fill(scorer.read_key)
        page.keyboard.press("Enter")
        expect(page.locator("#live")).to_have_text("live")
        assert scorer.running.stop() == 0
        is_lost(page)
        assert "Cancel" not in scorer.running.log
