"""An opened photo: its labels with their parts, its neighbours, and its keys, in Chromium."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from annotation_page import opened, shown
from love_thy_neighbors.annotation.files import read_annotation
from love_thy_neighbors.decision_page.page import write_page
from made_up_annotation import write_made_up_annotation


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos whose files are beside the annotation: one can be shown, one cannot."""
    root = tmp_path_factory.mktemp("page")
    folder = write_made_up_annotation(root / "annotation", photos=60, photos_folder=str(root / "my photos"))
    write_page(folder)
    return folder


@pytest.fixture
def page(chromium: Any, folder: Path) -> Any:
    with opened(chromium, folder) as page:
        yield page


def percent(probability: float) -> str:
    rounded = int(probability * 100 + 0.5)
    return "< 1 %" if rounded < 1 else "> 99 %" if rounded > 99 else f"{rounded} %"


def open_photo(page: Any, file: str) -> None:
    page.fill("#search", file)
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.locator("#photo-name")).to_have_text(file)


def test_it_shows_what_the_annotation_says(page: Any, folder: Path) -> None:
    annotation = read_annotation(folder)
    row = next(row for row in annotation.suggestions.to_pylist() if row["suggested"] and row["given"] is not None)
    photo = annotation.photos.to_pylist()[row["photo"]]
    open_photo(page, photo["file"])
    page.locator("#photo-labels .select").filter(has_text=row["label"]).click()
    reasons = page.locator("#photo-reasons")
    alone, together = percent(row["image_alone"]), percent(row["probability"])
    expect(reasons).to_contain_text(f"Image alone: {alone}, with neighbours: {together}.")
    parts = [row["part_image"] + row["bias"], row["part_new"], row["part_archive"]]
    shown_parts = [text.replace("−", "-") for text in reasons.locator(".legend b").all_inner_texts()]
    assert [float(text) for text in shown_parts] == pytest.approx(parts, abs=0.0051)
    expect(reasons.locator(".neighbor")).to_have_count(len(row["neighbours"]))
    expect(page.locator("#photo-neighbors .neighbor")).to_have_count(len(photo["neighbours"]))
    for number, one in enumerate(photo["neighbours"]):
        chips = page.locator("#photo-neighbors .neighbor").nth(number).locator(".chip.shared")
        assert chips.all_inner_texts() == one["shared"]
        text = page.locator("#photo-neighbors .neighbor").nth(number).inner_text()
        assert (f"by {one['type']}" in text) == (one["type"] is not None)
    expect(page.locator("#photo-neighbors-title")).to_contain_text("nearest first by each type")
    expect(page.locator("#photo-metadata")).to_contain_text("labels given by people")
    times = sum(
        "tag" in value for one in photo["neighbours"] for value in one["shared"] if value == photo["metadata.tags"][0]
    )
    expect(page.locator("#photo-metadata .chip.shared").first).to_have_text(f"{photo['metadata.tags'][0]} ×{times}")


def test_bars_are_as_long_as_the_parts(page: Any, folder: Path) -> None:
    page.keyboard.press("Enter")
    page.wait_for_selector("#photo[open]")
    found = page.evaluate(
        """() => {
            const box = (node) => node.getBoundingClientRect();
            return [...document.querySelectorAll(".parts")].map((bar) => [...bar.children].map((part) => {
                const middle = box(bar).left + box(bar).width / 2;
                return [box(part).width, box(part).left >= middle - 1 ? 1 : -1];
            }));
        }"""
    )
    file, _ = shown(page)[0]
    rows = [row for row in read_annotation(folder).suggestions.to_pylist() if row["file"] == file]
    rows.sort(key=lambda row: -row["probability"])
    parts = [part for row in rows for part in (row["part_image"] + row["bias"], row["part_new"], row["part_archive"])]
    drawn = [width * side for bar in found for width, side in bar]
    sums = [sum(width for width, side in bar if side == sign) for bar in found for sign in (1, -1)]
    width = page.locator(".parts").first.evaluate("(bar) => bar.getBoundingClientRect().width")
    assert max(sums) == pytest.approx(width / 2, rel=0.02)  # the largest one reaches the end
    scale = max(map(abs, drawn)) / max(map(abs, parts))
    assert drawn == pytest.approx([part * scale for part in parts], abs=0.02 * max(map(abs, drawn)))


def test_keys_decide_on_the_photo_and_go_on(page: Any) -> None:
    rows = shown(page)
    page.keyboard.press("Enter")
    expect(page.locator("#photo-name")).to_have_text(rows[0][0])
    page.keyboard.press("y")
    expect(page.locator("#photo-name")).to_have_text(rows[1][0])
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#photo-name")).to_have_text(rows[0][0])
    first = page.locator("#photo-labels .photo-label").first
    expect(first).to_have_attribute("data-decision", "yes")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("n")  # another label than that of the grid: stays on the photo
    expect(page.locator("#photo-name")).to_have_text(rows[0][0])
    expect(page.locator("#photo-labels .photo-label").nth(1)).to_have_attribute("data-decision", "no")
    page.keyboard.press("u")
    expect(page.locator("#photo-labels .photo-label").nth(1)).to_have_attribute("data-decision", "open")
    page.locator("#photo-labels .later").nth(2).click()
    expect(page.locator("#photo-labels .photo-label").nth(2)).to_have_attribute("data-decision", "later")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#photo-name")).to_have_text(rows[1][0])
    page.keyboard.press("Escape")
    expect(page.locator("#photo")).to_be_hidden()
    expect(page.locator('[data-place="1"]')).to_be_focused()
    expect(page.locator("#decided")).to_have_text("2 decided: 1 yes, 0 no, 1 later")


def test_nobody_decides_on_a_photo_before_it_is_shown(page: Any) -> None:
    rows = shown(page)
    page.keyboard.press("Enter")
    expect(page.locator("#photo-name")).to_have_text(rows[0][0])
    page.evaluate(
        """() => {
            decisionPage.loading.load = () => new Promise((resolve) => { window.arrive = resolve; });
            decisionPage.photo.step(1);
            decisionPage.photo.decideSelected(1);
        }"""
    )
    expect(page.locator("#photo-name")).to_have_text(rows[0][0])
    expect(page.locator("#decided")).to_have_text("0 decided")


def test_a_click_on_a_picture_opens_it(page: Any) -> None:
    page.locator('[data-place="2"] .picture').click()
    expect(page.locator("#photo-name")).to_have_text(shown(page)[2][0])
    expect(page.locator("#photo-place")).to_have_text(f"3 of {len(shown(page))}")


def test_a_photo_without_neighbours_or_thumbnail_says_so(page: Any, folder: Path) -> None:
    page.click("#filters-box summary")
    page.select_option("#rows", "any")
    open_photo(page, "2003/photo 7.jpg")
    expect(page.locator("#photo-neighbors-title")).to_contain_text("No neighbours")
    expect(page.locator("#photo-reasons")).to_contain_text("No neighbours")
    page.keyboard.press("Escape")
    open_photo(page, "2003/photo 3.jpg")
    expect(page.locator("#photo-picture .placeholder")).to_have_text("2003/photo 3.jpg")


def test_the_file_itself_is_linked_and_shown_if_it_can_be(page: Any, folder: Path) -> None:
    file = shown(page)[0][0]
    photo = folder.parent / "my photos" / file
    photo.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (400, 300), "teal").save(photo)
    page.keyboard.press("Enter")
    expect(page.locator("#photo-picture a")).to_have_attribute("href", photo.as_uri())
    expect(page.locator(f'#photo-picture img[src="{photo.as_uri()}"]')).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#photo-picture img")).to_have_attribute(
        "src", "page/thumbnails/0/0/" + webp(shown(page)[1][0])
    )


def webp(file: str) -> str:
    return file.removeprefix(file.split(" ")[0] + " ").replace(".jpg", ".webp")


def test_a_file_outside_the_folder_of_the_photos_is_not_linked(page: Any) -> None:
    addresses = page.evaluate(
        """() => {
            const address = (file) => {
                const detail = { id: file, file, neighbors: [], labels: null, values: [] };
                const link = decisionPage.picture.of(0, detail);
                return link.tagName === "A" ? link.href : null;
            };
            return ["../secret.jpg", "a/../../b", "/etc/passwd", "", "a//b", "a/b?x#y.jpg"].map(address);
        }"""
    )
    assert addresses[:5] == [None] * 5
    assert addresses[5].endswith("/my%20photos/a/b%3Fx%23y.jpg")
