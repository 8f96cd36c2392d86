"""What only a real browser shows: scripts run, plots are drawn, keys work, and nothing is fetched from elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvicorn

from mulle import server
from mulle.web import assets
from mulle.workspace import Workspace

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SCRIPTS = Path(__file__).parent
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    *["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
    *["--disable-sync", "--no-first-run"],
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium: apt-get install chromium"),
    pytest.mark.skipif(bool(assets.missing()), reason="needs the built assets: make setup"),
]


@pytest.fixture(scope="module")
def url(lived: Workspace) -> Iterator[str]:
    running = uvicorn.Server(uvicorn.Config(server.app(lived), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    running.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A page that fails its test when a script fails or something is asked of another place."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=url)
    opened, wrong = context.new_page(), list[str]()
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda asked: None if asked.url.startswith((url, "data:")) else wrong.append(asked.url))
    yield opened
    context.close()
    assert wrong == []


@pytest.mark.parametrize(
    ("path", "drawn"),
    [
        ("/timeline", "figure.chart canvas"),
        ("/datasets/orders", "figure.chart canvas"),
        ("/deployments/returns", "figure.chart canvas"),
        ("/models/returns/1", "figure.graph svg .node"),
        ("/pipelines/returns", "figure.graph svg .node"),
    ],
)
def test_plots_and_graphs_are_drawn(page: Page, path: str, drawn: str) -> None:
    page.goto(path)
    page.locator(drawn).first.wait_for()


def test_a_backtest_is_drawn_by_both_libraries(page: Page, lived: Workspace) -> None:
    page.goto(f"/backtests/{lived.backtests.list()[0].id}")
    page.locator("figure.chart canvas").first.wait_for()
    page.locator("figure.chart svg").first.wait_for()


def test_a_study_is_drawn_and_says_what_matters(page: Page) -> None:
    page.goto("/studies/returns")
    page.locator("figure.chart svg .strand").first.wait_for()
    page.locator("figure.chart canvas").first.wait_for()
    page.locator("footer", has_text="fANOVA").wait_for()


def test_the_timeline_is_drawn_anew_for_another_period(page: Page) -> None:
    page.goto("/timeline")
    page.locator("figure.chart canvas").first.wait_for()
    page.locator("select[name=every]").select_option("1d")
    page.locator('option[value="1d"][selected]').wait_for(state="attached")
    page.locator("figure.chart canvas").first.wait_for()


def test_curves_of_a_run_are_drawn(page: Page, lived: Workspace) -> None:
    page.goto(f"/runs/{lived.runs.list(1)[0].id}")
    page.locator('figure[data-key="loss"] canvas').wait_for()


def test_a_log_is_shown_on_demand(page: Page, lived: Workspace) -> None:
    page.goto(f"/runs/{lived.runs.list(1)[0].id}")
    page.locator("#steps tbody tr").nth(2).locator("button").click()
    page.locator("#log", has_text="training on").wait_for()


def test_two_keys_lead_to_a_page(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url("**/models")


def test_a_slash_opens_the_search_and_enter_goes_to_the_first_thing_found(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type("returns", delay=10)
    page.locator("#found a").first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**/*returns*")


def test_a_question_mark_opens_the_keys_and_escape_closes_them(page: Page) -> None:
    page.goto("/runs")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()


def test_rows_are_walked_and_opened_by_keys(page: Page) -> None:
    page.goto("/models")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/models/returns")


def test_the_theme_is_kept_from_page_to_page(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("d")
    page.keyboard.press("d")
    page.goto("/runs")
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_the_language_is_kept_from_page_to_page(page: Page) -> None:
    page.goto("/models")
    page.keyboard.press("l")
    page.wait_for_url("**lang=ko**")
    page.goto("/runs")
    assert page.locator("h1").inner_text() == "실행"


@pytest.mark.parametrize("path", ["/", "/models/returns/1", "/datasets/orders", "/pipelines/returns"])
def test_nothing_moves_while_a_page_is_drawn(page: Page, path: str) -> None:
    page.add_init_script(
        "window.moved = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries())"
        " if (!entry.hadRecentInput) window.moved += entry.value; }).observe({type: 'layout-shift', buffered: true});"
    )
    page.goto(path)
    page.wait_for_timeout(500)
    assert page.evaluate("window.moved") < 0.01


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/runs",
        "/datasets",
        "/datasets/prices",
        "/datasets/prices/diff?a=1&b=2&profiles=1",
        "/models/returns/1",
        "/timeline",
        "/resources",
        "/audit",
    ],
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(page: Page, path: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(path)
    assert page.evaluate((SCRIPTS / "contrast.js").read_text()) == []


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/runs",
        "/datasets/orders/1",
        "/datasets/prices",
        "/datasets/prices/diff",
        "/deployments/returns",
        "/timeline",
        "/resources",
        "/audit",
    ],
)
def test_every_control_has_a_name_and_every_page_one_heading(page: Page, path: str) -> None:
    page.goto(path)
    assert page.locator("h1").count() == 1
    assert page.evaluate((SCRIPTS / "nameless.js").read_text()) == []
