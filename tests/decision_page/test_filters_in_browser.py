"""Which rows the page shows, in Chromium."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation_page import expected, opened, shown
from love_thy_neighbors.annotation.files import SUGGESTIONS
from love_thy_neighbors.decision_page.page import write_page
from made_up_annotation import write_made_up_annotation


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_made_up_annotation(tmp_path_factory.mktemp("page"), photos=60)
    rows = pq.read_table(folder / SUGGESTIONS)
    changed = rows.to_pylist()
    for number, row in enumerate([row for row in changed if row["given"]][:3]):
        row |= {"probability": 0.01 + number / 100, "suggested": False, "doubtful": True}
    pq.write_table(pa.Table.from_pylist(changed, schema=rows.schema), folder / SUGGESTIONS)
    write_page(folder)
    return folder


@pytest.fixture(scope="module")
def page(chromium: Any, folder: Path) -> Any:
    with opened(chromium, folder) as page:
        page.click("#filters-box summary")
        yield page


def crosses(row: dict[str, Any]) -> bool:
    threshold = row["threshold"]
    return threshold is not None and (row["probability"] >= threshold) != (row["image_alone"] >= threshold)


def any_row(row: dict[str, Any], photo: dict[str, Any]) -> bool:
    return True


@pytest.mark.parametrize(
    ("controls", "wanted"),
    [
        ({}, lambda row, photo: row["suggested"]),
        ({"rows": "any"}, any_row),
        ({"rows": "any", "from": "20", "to": "60.5"}, lambda row, photo: 0.2 <= row["probability"] <= 0.605),
        ({"rows": "any", "from": "-5", "to": "900"}, any_row),  # no percentages: they are not used
        ({"rows": "any", "neighbors": "without"}, lambda row, photo: not photo["neighbours"]),
        ({"rows": "any", "neighbors": "with"}, lambda row, photo: photo["neighbours"]),
        ({"rows": "any", "changed": True}, lambda row, photo: crosses(row)),
        ({"album": "2001"}, lambda row, photo: row["suggested"] and row["file"].startswith("2001/")),
        ({"value": "tag 3"}, lambda row, photo: row["suggested"] and "tag 3" in photo["metadata.tags"]),
        ({"album": "tag 3"}, lambda row, photo: False),  # a tag is no album
        ({"value": "no such tag"}, lambda row, photo: False),
        ({"search": "PHOTO 1"}, lambda row, photo: row["suggested"] and "photo 1" in row["file"]),
        ({"search": "tag 11"}, lambda row, photo: row["suggested"] and "tag 11" in photo["metadata.tags"]),
        ({"decision": "decided"}, lambda row, photo: False),
        (
            {"search": "photo 1", "value": "tag 3", "rows": "any", "from": "50"},
            lambda row, photo: (
                "photo 1" in row["file"] and "tag 3" in photo["metadata.tags"] and row["probability"] >= 0.5
            ),
        ),
    ],
)
def test_filters_leave_the_rows_that_they_name(page: Any, folder: Path, controls: dict[str, Any], wanted: Any) -> None:
    page.click("#clear")
    for name, value in controls.items():
        if value is True:
            page.check(f"#{name}")
        elif page.locator(f"#{name}").evaluate("(control) => control.tagName") == "SELECT":
            page.select_option(f"#{name}", value)
        else:
            page.fill(f"#{name}", value)
    rows = expected(folder, wanted)
    assert shown(page) == rows
    assert page.inner_text("#shown").startswith(f"{len(rows)} ")
    assert page.is_visible("#nothing") == (not rows)
    assert page.locator(".cell").count() > 0 or not rows


def test_a_label_is_chosen_from_the_list_with_its_number_of_open_suggestions(page: Any, folder: Path) -> None:
    page.click("#clear")
    rows = expected(folder, lambda row, photo: row["suggested"] and row["label"] == "<b>bold</b>")
    entry = page.locator("#labels button").filter(has_text="<b>bold</b>")
    entry.click()
    assert shown(page) == rows
    assert entry.locator(".number").inner_text() == str(len(rows))
    assert entry.get_attribute("aria-pressed") == "true"


def test_doubtful_labels_ask_what_a_person_may_have_missed(page: Any, folder: Path) -> None:
    page.click("#clear")
    page.click("#view-doubtful")
    missing = expected(folder, lambda row, photo: row["doubtful"] and not row["given"])
    wrong = expected(folder, lambda row, photo: row["doubtful"] and row["given"])
    assert len(wrong) == 3
    assert missing
    assert set(shown(page)) == {*missing, *wrong}
    assert [row for row in shown(page) if row in missing] == missing  # of high probability: most doubtful first
    assert [row for row in shown(page) if row in wrong] == wrong[::-1]
    notes = dict(zip(shown(page), page.locator(".cell .note").all_inner_texts(), strict=True))
    assert notes == dict.fromkeys(missing, "Is this missing?") | dict.fromkeys(wrong, "Is this right?")
    page.click("#view-suggestions")


def test_values_are_offered_while_one_types(page: Any) -> None:
    page.click("#clear")
    page.fill("#value", "TAG 1")
    offered = page.locator("#value-values option").evaluate_all("(all) => all.map((one) => one.value)")
    assert set(offered) == {"tag 1", "tag 10", "tag 11"}
    page.fill("#album", "200")
    offered = page.locator("#album-values option").evaluate_all("(all) => all.map((one) => one.value)")
    assert set(offered) == {"2000", "2001", "2002", "2003"}
    page.click("#clear")


def test_accents_and_capitals_do_not_matter_in_a_search(page: Any) -> None:
    found = page.evaluate(
        """() => {
            const { search, columns } = decisionPage;
            return [search.suggest("TÄG 1\u030b", false), search.containing("photo").every(Boolean)];
        }"""
    )
    assert sorted(value for value, _ in found[0]) == ["tag 1", "tag 10", "tag 11"]
    assert found[1] is True


def test_only_what_is_near_the_window_is_in_the_document(chromium: Any, tmp_path: Path) -> None:
    write_page(write_made_up_annotation(tmp_path, photos=700))
    with opened(chromium, tmp_path) as page:
        rows = len(shown(page))
        assert rows > 900
        assert page.locator(".cell").count() < 60
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        page.wait_for_selector(f'[data-place="{rows - 1}"]')
        assert page.locator(".cell").count() < 60
        assert page.locator('[data-place="0"]').count() == 0
        columns = int(page.get_attribute("#grid", "aria-colcount"))
        lines = page.locator("#grid [role=row]").evaluate_all("(all) => all.map((one) => Number(one.ariaRowIndex))")
        assert lines == list(range(lines[0], -(-rows // columns) + 1))


def test_keys_go_through_the_grid_also_after_a_label_is_chosen(page: Any) -> None:
    page.click("#clear")
    page.locator("#labels button").first.click()
    columns, last = int(page.get_attribute("#grid", "aria-colcount")), len(shown(page)) - 1
    places = []
    for key in ("ArrowDown", "ArrowRight", "ArrowLeft", "ArrowUp", "ArrowUp", "End", "ArrowRight", "Home"):
        page.keyboard.press(key)
        places.append(int(page.get_attribute(".cell.active", "data-place")))
        assert page.evaluate("document.activeElement.classList.contains('active')")
    assert places == [columns, columns + 1, columns, 0, 0, last, last, 0]


def test_the_photo_at_the_top_stays_when_the_window_gets_narrower(page: Any) -> None:
    page.click("#clear")
    page.keyboard.press("ArrowDown")
    page.evaluate("scrollTo(0, document.body.scrollHeight / 2)")
    top = "Math.min(...[...document.querySelectorAll('.cell')].filter((one) => one.getBoundingClientRect().bottom > 0)"
    page.wait_for_function(f"{top}.map((one) => Number(one.dataset.place))) < Infinity")  # drawn in the next frame
    first = page.evaluate(f"{top}.map((one) => Number(one.dataset.place)))")
    page.set_viewport_size({"width": 1000, "height": 800})
    page.wait_for_selector('#grid[aria-colcount="4"]')
    columns = int(page.get_attribute("#grid", "aria-colcount"))
    page.wait_for_selector(f'[data-place="{first}"]')
    now = page.evaluate(f"{top}.map((one) => Number(one.dataset.place)))")
    page.set_viewport_size({"width": 1280, "height": 800})
    assert first > 10
    assert abs(now - first) <= 2 * columns
