"""The page in a real browser: Chromium without a head."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sap_rl.film.file import film_within
from sap_rl.reporting.figures.curves import panels
from sap_rl.reporting.page.extras import PageExtras
from sap_rl.reporting.page.page import report_page
from sap_rl.training.curve import LearningCurve
from tests.film.scenes import FACTS, scenes
from tests.reporting.made import evaluation

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shown = panels([evaluation((0.05, 0.25, 1.0, 4.0)), evaluation(game="Assault")])
    film = film_within(scenes(15), FACTS, 1_000_000)
    curve = LearningCurve(((1000, 1.0), (200_000, 2.0)), {"0": ((1000, 3.0),)})
    extras = [PageExtras({"BankHeist": curve}, film, ("A note.",))] * len(shown)
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report_page(shown, extras), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="needs: pip install 'sap-rl[browser]'")
    with api.sync_playwright() as playwright:
        # A container has no user namespaces, in which Chromium would lock itself up.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tab:
    """The page as it is opened: `page`, what the console said, and what was asked for."""

    def __init__(self, chromium: Any, file: Path, **options: Any) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page = chromium.new_context(offline=True, **options).new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())

    def of(self, expression: str) -> Any:
        return self.page.evaluate(expression)


@pytest.fixture(scope="module")
def desk(chromium: Any, page_file: Path) -> Tab:
    return Tab(chromium, page_file, viewport=DESK, color_scheme="light")


def test_it_opens_without_an_error_and_without_a_network(desk: Tab, page_file: Path) -> None:
    assert desk.said == []
    assert [url for url in desk.asked if not url.startswith("data:")] == [page_file.as_uri()]


TABLES = 8
"""Of two games: the headline, both together, and three each."""


def test_tables_and_figures_are_seen(desk: Tab) -> None:
    sizes = desk.of(
        "[...document.querySelectorAll('table, figure svg')]"
        ".map(e => [e.tagName, e.getBoundingClientRect().width, e.getBoundingClientRect().height])"
    )
    assert [tag for tag, _, _ in sizes].count("TABLE") == TABLES
    assert [tag for tag, _, _ in sizes].count("svg") == 8
    assert all(width > 200 and height > 60 for _, width, height in sizes)
    assert desk.of("document.querySelectorAll('table > caption').length") == TABLES


def test_the_film_plays(desk: Tab) -> None:
    found = desk.of(
        """async () => {
          const film = document.querySelector('video');
          await film.play();
          const from = film.currentTime;
          await new Promise(done => {
            film.addEventListener('timeupdate', () => film.currentTime > from + 0.3 && done());
            setTimeout(done, 10000);
          });
          film.pause();
          return [from, film.currentTime, film.duration, film.videoWidth, film.error];
        }"""
    )
    start, now, duration, width, error = found
    assert error is None
    assert now > start + 0.3
    assert duration == pytest.approx(2.0, abs=0.05)
    assert width == 560


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(chromium: Any, page_file: Path, scheme: str) -> None:
    tab = Tab(chromium, page_file, viewport=PHONE, is_mobile=True, color_scheme=scheme)
    assert tab.of("document.documentElement.scrollWidth") == PHONE["width"]
    assert tab.of("window.innerWidth") == PHONE["width"], "the browser did not shrink it"
    wide = tab.of(
        "[...document.querySelectorAll('.scroll')]"
        ".filter(e => e.scrollWidth > e.clientWidth).length"
    )
    assert wide > 0, "wide tables scroll by themselves"
    small = tab.of(
        "Math.min(...[...document.querySelectorAll('figure svg text')]"
        ".map(e => e.getBoundingClientRect().height))"
    )
    assert small > 8, "labels of figures stay legible"


def test_dark_mode_changes_the_colours_of_text_and_figures(chromium: Any, page_file: Path) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        tab = Tab(chromium, page_file, viewport=DESK, color_scheme=scheme)
        seen[scheme] = tab.of(
            """() => {
              const brightness = c => c.match(/[0-9.]+/g).slice(0, 3).reduce((a, b) => a + +b, 0);
              const style = e => getComputedStyle(e);
              const text = document.querySelector('figure svg text');
              return [style(document.body).backgroundColor, style(document.body).color,
                      style(text).fill].map(brightness);
            }"""
        )
    paper, ink, label = seen["light"]
    assert paper > 600 > 150 > max(ink, label)
    paper, ink, label = seen["dark"]
    assert paper < 150 < 600 < min(ink, label)


def test_it_needs_no_script(chromium: Any, page_file: Path) -> None:
    tab = Tab(chromium, page_file, viewport=DESK, java_script_enabled=False)
    assert tab.page.locator("table").count() == TABLES
    assert tab.page.locator("h1").inner_text().startswith("Reward under attack")
