"""How the page looks and behaves on a phone, in the dark, with hostile texts and with missing files, in Chromium."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from annotation_page import opened, shown
from love_thy_neighbors.annotation.files import ABOUT, PHOTOS, SUGGESTIONS
from love_thy_neighbors.decision_page.page import write_page
from made_up_annotation import write_made_up_annotation

BAD = "window.hacked=1"
HOSTILE = {
    "sea": f"</script><script>{BAD}</script>",
    "snow, fresh": f'<img src=x onerror="{BAD}">',
    "tag 1": f"'\"><svg onload={BAD}>\u2028{BAD}//",
    "tag 2": "__proto__",
    "tag 3": "x" * 300,
    "2000/photo 0.jpg": "=cmd|' /C calc'!A0\n🐟\".jpg",
    "2000/photo 4.jpg": f"javascript:{BAD}",
    "2000/photo 8.jpg": "../../../../etc/passwd",
}


def replaced(value: Any) -> Any:
    """The value with each text that is a key of HOSTILE replaced."""
    if isinstance(value, dict):
        return {name: replaced(one) for name, one in value.items()}
    if isinstance(value, list):
        return [replaced(one) for one in value]
    return HOSTILE.get(value, value) if isinstance(value, str) else value


def write_hostile_annotation(folder: Path) -> Path:
    write_made_up_annotation(folder, photos=40, notes=[f"<script>{BAD}</script>"], photos_folder="photos")
    (folder / ABOUT).write_text(json.dumps(replaced(json.loads((folder / ABOUT).read_text()))))
    for name in (PHOTOS, SUGGESTIONS):
        table = pq.read_table(folder / name)
        pq.write_table(pa.Table.from_pylist(replaced(table.to_pylist()), schema=table.schema), folder / name)
    write_page(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hostile_annotation(tmp_path_factory.mktemp("page") / 'a "folder" <b> #1')


def serious(page: Any) -> list[str]:
    """The serious and critical faults that axe finds."""
    faults = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:120]}"
        for fault in faults
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


def assert_it_fits(page: Any) -> None:
    """Nothing is wider than the window."""
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert page.locator("#photo-body").evaluate("(body) => body.scrollWidth <= body.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_axe_finds_no_serious_fault(chromium: Any, folder: Path, width: int, scheme: str) -> None:
    options = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
    with opened(chromium, folder, **options) as page:
        for summary in ("#filters-box summary", "#about summary"):
            page.click(summary)
        for key in ("y", "n", "l"):
            page.keyboard.press(key)
        assert_it_fits(page)
        assert serious(page) == []
        page.fill("#value", "x" * 300)
        page.locator(".cell .picture").first.click()
        page.wait_for_selector("#photo[open]")
        expect(page.locator("#photo-metadata")).to_contain_text("x" * 300)
        assert_it_fits(page)
        assert serious(page) == []
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_targets_on_a_phone_are_large_enough_for_a_thumb(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as page:
        for summary in ("#filters-box summary", "#many summary"):
            page.locator(summary).tap()
        page.locator('[data-place="0"] .picture').tap()
        page.wait_for_selector("#photo[open]")
        sizes = page.evaluate(
            """() => [...document.querySelectorAll("button, select, summary, input:not([type=checkbox])")]
                .map((control) => [control.outerHTML.slice(0, 80), control.getBoundingClientRect()])
                .filter(([, box]) => box.width)
                .map(([name, box]) => [name, Math.round(box.width), Math.round(box.height)])"""
        )
        assert len(sizes) > 30
        assert [size for size in sizes if size[1] < 44 or size[2] < 44] == []


def test_hostile_texts_are_shown_and_do_not_run(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder) as page:
        page.click("#filters-box summary")
        page.select_option("#rows", "any")
        for number, (file, _) in enumerate(shown(page)[:12]):
            page.evaluate("(place) => decisionPage.photo.open(place)", number)
            assert page.inner_text("#photo-name") == " ".join(file.split("\n"))
        page.keyboard.press("Escape")
        page.fill("#value", "<svg")
        assert page.locator("#value-values option").count() == 1
        page.fill("#value", "__proto__")
        assert shown(page)
        labels = page.locator("#labels .name").all_inner_texts()
        assert {HOSTILE["sea"], HOSTILE["snow, fresh"]} < set(labels)
        assert page.evaluate("window.hacked") is None
        assert page.locator("#labels img, #grid svg, main script, aside script").count() == 0


def test_values_that_look_like_formulas_are_exported_exactly_with_a_word_of_warning(
    chromium: Any, folder: Path
) -> None:
    with opened(chromium, folder) as page:
        page.fill("#search", "=cmd")
        page.keyboard.press("Escape")
        page.click("#filters-box summary")
        page.select_option("#rows", "any")
        page.locator('[data-place="0"] .yes').click()
        with page.expect_download() as download:
            page.click("#export")
        assert '"=cmd|\' /C calc\'!A0\n🐟"".jpg"' in Path(download.value.path()).read_text(encoding="utf-8")
        expect(page.locator("#message")).to_contain_text("spreadsheet")


def test_keys_are_listed_and_the_search_has_its_key(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder) as page:
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        expect(page.locator("#search")).to_be_focused()
        page.keyboard.type("yny")  # letters in a field are text
        expect(page.locator("#decided")).to_have_text("0 decided")
        expect(page.locator("#nothing")).to_be_visible()


@pytest.mark.parametrize("lost", ["index", "names", "piece-0"])
def test_a_lost_file_is_named(chromium: Any, tmp_path: Path, lost: str) -> None:
    write_page(write_made_up_annotation(tmp_path, photos=10))
    (tmp_path / "page" / "data" / f"{lost}.js").write_text("damaged(")
    context = chromium.new_context()
    try:
        page = context.new_page()
        page.goto((tmp_path / "index.html").as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        page.keyboard.press("Enter")
        expect(page.locator("#warning")).to_contain_text(f"page/data/{lost}.js")
    finally:
        context.close()


def test_an_annotation_without_thumbnails_or_suggestions_has_a_page(chromium: Any, tmp_path: Path) -> None:
    write_made_up_annotation(tmp_path, photos=10, collections={})
    table = pq.read_table(tmp_path / SUGGESTIONS)
    write_page(tmp_path)
    with opened(chromium, tmp_path) as page:
        expect(page.locator(".cell .placeholder").first).to_be_visible()
        assert page.locator(".cell img").count() == 0
    pq.write_table(table.slice(0, 0), tmp_path / SUGGESTIONS)
    write_page(tmp_path)
    with opened(chromium, tmp_path) as page:
        expect(page.locator("#nothing")).to_be_visible()
        for key in ("y", "Y", "Enter", "ArrowDown", "u"):
            page.keyboard.press(key)
        expect(page.locator("#decided")).to_have_text("0 decided")
