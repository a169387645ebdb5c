"""The page in a browser, from a phone to a wide screen: nothing is wider than the screen, and no figure is cut."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from love_thy_neighbors.paper import METRICS, Estimate
from love_thy_neighbors.report.document import Column, Difference, Figure, Report, Row, Section, Table
from love_thy_neighbors.report.files import draw
from love_thy_neighbors.report.page import page as html
from love_thy_neighbors.report.style import canvas

CHROMIUM = shutil.which("chromium")
pytest.importorskip("playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

WIDTHS = (390, 1280, 1920)
SIZES = {"narrow": (3.0, 2.0), "wide": (11.0, 3.0)}  # inches


def report_with_table_2() -> Report:
    """A table as wide as Table 2, and figures of two widths."""
    pairs = [column for m in METRICS for column in (Column("here", m), Column("paper", m, paper=True))]
    columns = (Column("method"), Column("splits"), *pairs, Column("mAP_L, difference to visual-only [95 %]"))
    cells = (Estimate(52.78, 0.34, 5), Estimate(45.78, 0.18, 5)) * len(METRICS)
    row = Row(("Image neighborhoods + CNN voting", 5, *cells, Difference(3.91, 3.35, 4.48, 5, 5)))
    figures = [
        Figure(name, "A figure.", lambda size=size: canvas(*size)[0])  # type: ignore[misc]
        for name, size in SIZES.items()
    ]
    section = Section("table2", "Image annotation", "Table 2", (Table("table2", "Percent.", columns, (row,)), *figures))
    return Report("c", "Beside the paper.", 1, (section,), ())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    report, out = report_with_table_2(), tmp_path_factory.mktemp("page")
    pictures = {figure.name: draw(figure)[0] for figure in report.figures()}
    (out / "index.html").write_text(html(report, pictures, out, "Now.", None), encoding="utf-8")
    return out / "index.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


def opened(browser: Browser, written: Path, width: int, scheme: str) -> Page:
    shown = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    shown.goto(written.as_uri())
    return shown


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_is_as_wide_as_the_screen_and_figures_as_their_column(
    browser: Browser, written: Path, width: int
) -> None:
    shown = opened(browser, written, width, "light")
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    sizes = shown.evaluate("[...document.querySelectorAll('.card')].map(one => one.getBoundingClientRect().width)")
    assert len(set(sizes)) == 1
    images = shown.evaluate("[...document.querySelectorAll('.card img')].map(one => one.clientWidth)")
    assert len(set(images)) == 1
    assert images[0] > 0.9 * sizes[0]
    box = shown.evaluate("(e => [e.scrollWidth, e.clientWidth])(document.querySelector('.scroll'))")
    assert width == 390 or box[0] <= box[1]  # Table 2 scrolls on a phone alone
    shown.close()


def test_the_first_column_stays_when_a_table_scrolls(browser: Browser, written: Path) -> None:
    shown = opened(browser, written, 390, "light")
    place = "document.querySelector('tbody th').getBoundingClientRect().left"
    before = shown.evaluate(place)
    scrolled = shown.evaluate("(e => { e.scrollLeft = 200; return e.scrollLeft })(document.querySelector('.scroll'))")
    assert scrolled == 200
    assert shown.evaluate(place) == before
    shown.close()


def test_colours_follow_the_system(browser: Browser, written: Path) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        shown = opened(browser, written, 1280, scheme)
        colours[scheme] = [
            shown.evaluate(f"getComputedStyle(document.querySelector('{where}')).{what}")
            for where, what in (("body", "backgroundColor"), ("body", "color"), ("tbody th", "backgroundColor"))
        ]
        shown.close()
    assert all(light != dark for light, dark in zip(colours["light"], colours["dark"], strict=True))
