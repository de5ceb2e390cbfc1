"""Pages in a real browser, and what is wrong with them: for all tests of this folder."""

import re
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

GUARD_MS = 120_000  # a wait ends when what it waits for happens
MOST_BYTES = 150 * 1024  # of a first load
LAST_HEARD = re.compile(r"last heard at \d\d:\d\d:\d\d UTC")
expect.set_options(timeout=GUARD_MS)


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
