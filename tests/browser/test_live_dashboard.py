"""The dashboard of a running service, in a real browser: live, safe, and by nobody else's leave."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from opened_pages import GUARD_MS, MOST_BYTES, Opened, is_live, is_lost, opened, violations
from playwright.sync_api import Browser, expect
from running import ROOT, Running, running_service

from serving.dashboard.page import asset
from serving.key_file import add_key

TOLD = rb'"([a-z_]+)"(?=:\["[0-9a-f]{8}")'  # names of pieces in the stream of events


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
    held: dict[bytes, bytes] = {}
    for name, version in versions:
        assert held.get(name) != version, "what the page has is not sent again"
        held[name] = version


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
