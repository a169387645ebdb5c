"""Decisions on the page: by keyboard, undone, kept, exported and loaded, in Chromium."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import expect

from annotation_page import opened, shown, visit
from love_thy_neighbors.annotation.files import PHOTOS
from love_thy_neighbors.decision_page.page import write_page
from made_up_annotation import write_made_up_annotation

HEADER = ["id", "file", "label", "decision", "decided"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_made_up_annotation(tmp_path_factory.mktemp("page"), photos=60)
    write_page(folder)
    return folder


def exported(page: Any) -> list[list[str]]:
    """The records of decisions.csv, without its first line."""
    with page.expect_download() as download:
        page.click("#export")
    assert download.value.suggested_filename == "decisions.csv"
    text = Path(download.value.path()).read_bytes().decode("utf-8")
    header, *records = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == HEADER
    return records


def decisions(page: Any) -> dict[tuple[str, str], str]:
    return {(file, label): decision for _, file, label, decision, _ in exported(page)}


def load(page: Any, name: str, records: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([HEADER, *records])
    page.set_input_files("#load-file", {"name": name, "mimeType": "text/csv", "buffer": text.getvalue().encode()})
    expect(page.locator("#message")).to_contain_text(name)


def test_keys_decide_and_move_on_and_the_export_has_it(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder) as page:
        rows = shown(page)
        for key in ("y", "n", "l", "ArrowRight", "y"):
            page.keyboard.press(key)
        expect(page.locator("#decided")).to_have_text("4 decided: 2 yes, 1 no, 1 later")
        expect(page.locator(".cell.active")).to_have_attribute("data-place", "5")
        expect(page.locator(".cell.active")).to_be_focused()
        records = exported(page)
        assert {(file, label): decision for _, file, label, decision, _ in records} == {
            rows[0]: "yes",
            rows[1]: "no",
            rows[2]: "later",
            rows[4]: "yes",
        }
        assert all(name == file for name, file, *_ in records)
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", date) for *_, date in records)
        assert shown(page) == rows  # what is decided stays in place until a filter changes
        page.click("#filters-box summary")
        page.select_option("#decision", "yes")
        assert shown(page) == [rows[0], rows[4]]


def test_undo_takes_back_step_after_step(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder) as page:
        rows = shown(page)
        for key in ("y", "ArrowLeft", "n", "l", "u"):
            page.keyboard.press(key)
        assert decisions(page) == {rows[0]: "no"}
        page.keyboard.press("Control+z")
        assert decisions(page) == {rows[0]: "yes"}
        page.click("#undo")
        assert decisions(page) == {}
        page.keyboard.press("u")
        expect(page.locator("#decided")).to_have_text("0 decided")


def test_a_key_that_is_held_down_decides_once(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder) as page:
        for key in ("y", "Y"):
            for _ in range(4):
                page.keyboard.down(key)
            page.keyboard.up(key)
        rows, columns = shown(page), int(page.get_attribute("#grid", "aria-colcount"))
        assert decisions(page) == dict.fromkeys(rows[:columns], "yes")


def test_a_button_decides_and_the_same_button_takes_it_back(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder) as page:
        button = page.locator('[data-place="1"] .no')
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        assert decisions(page) == {shown(page)[1]: "no"}
        button.click()
        assert decisions(page) == {}


def test_a_line_is_decided_but_for_what_was_decided_before(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder) as page:
        rows, columns = shown(page), int(page.get_attribute("#grid", "aria-colcount"))
        for key in ("n", "Y"):
            page.keyboard.press(key)
        assert decisions(page) == {rows[0]: "no"} | dict.fromkeys(rows[1:columns], "yes")
        expect(page.locator(".cell.active")).to_have_attribute("data-place", str(columns))
        page.keyboard.press("u")
        assert decisions(page) == {rows[0]: "no"}


def test_all_that_is_shown_is_decided_after_one_question(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder) as page:
        page.locator("#labels button").filter(has_text="places|beach").click()
        rows = shown(page)
        page.keyboard.press("n")
        page.click("[data-all=yes]")
        expect(page.locator("#ask-text")).to_contain_text(f"yes for {len(rows) - 1} suggestions")
        page.get_by_role("button", name="Cancel").click()
        assert decisions(page) == {rows[0]: "no"}
        page.click("[data-all=yes]")
        page.click("#ask-yes")
        assert decisions(page) == {rows[0]: "no"} | dict.fromkeys(rows[1:], "yes")
        page.keyboard.press("u")
        assert decisions(page) == {rows[0]: "no"}


def test_decisions_are_there_after_a_reload_and_only_for_this_annotation(chromium: Any, tmp_path: Path) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    write_page(write_made_up_annotation(first, photos=20))
    write_page(write_made_up_annotation(other, photos=20, created="2026-11-28T09:00:00+00:00"))
    with opened(chromium, first) as page:
        for key in ("y", "n", "l"):
            page.keyboard.press(key)
        before = exported(page)
        page.reload()
        page.wait_for_selector("html[data-ready]", state="attached")
        assert exported(page) == before
        assert exported(visit(page, other)) == []


def test_photos_with_one_id_are_told_apart_when_decisions_are_loaded(chromium: Any, tmp_path: Path) -> None:
    folder = write_made_up_annotation(tmp_path / "same", photos=20)
    photos = pq.read_table(folder / PHOTOS)
    ids = pa.array(["the same"] * len(photos), pa.string())
    pq.write_table(photos.set_column(photos.schema.get_field_index("id"), "id", ids), folder / PHOTOS)
    write_page(folder)
    with opened(chromium, folder) as page:
        for key in ("y", "n", "y", "l"):
            page.keyboard.press(key)
        before = exported(page)
    with opened(chromium, folder) as page:
        load(page, "all.csv", before)
        assert exported(page) == before


def test_two_windows_of_a_page_know_of_each_other(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder) as page:
        second = visit(page.context.new_page(), folder)
        page.keyboard.press("y")
        expect(second.locator("#decided")).to_have_text("1 decided: 1 yes, 0 no, 0 later")
        second.keyboard.press("ArrowRight")
        second.keyboard.press("n")
        expect(page.locator("#decided")).to_have_text("2 decided: 1 yes, 1 no, 0 later")


def test_damaged_storage_is_no_fault(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder) as page:
        page.keyboard.press("y")
        for damaged in ("{", "[[9, 1, 0]]", '[[1, "x", 0], 5, [1, 7, -1, 1e9, 0.5]]'):
            page.evaluate("(text) => localStorage.setItem(Object.keys(localStorage)[0], text)", damaged)
            page.reload()
            page.wait_for_selector("html[data-ready]", state="attached")
            expect(page.locator("#decided")).to_have_text("0 decided")


@pytest.mark.parametrize("refused", ["setItem", "getItem"])
def test_a_browser_that_keeps_nothing_is_said_and_work_goes_on(chromium: Any, folder: Path, refused: str) -> None:
    script = f"Storage.prototype.{refused} = () => {{ throw new DOMException('full', 'QuotaExceededError'); }};"
    with opened(chromium, folder, script) as page:
        page.keyboard.press("y")
        if refused == "setItem":
            expect(page.locator("#warning")).to_contain_text("QuotaExceededError")
        page.keyboard.press("n")
        assert list(decisions(page).values()).count("yes") == 1
        assert len(decisions(page)) == 2


def test_a_file_is_loaded_the_newer_decision_holds_and_undo_takes_it_back(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder) as page:
        rows = shown(page)
        page.keyboard.press("n")
        new = [
            [rows[1][0], *rows[1], "later", "2026-01-02T03:04:05Z"],
            [rows[2][0], *rows[2], "yes", "2026-01-02T03:04:05Z"],
        ]
        old = [rows[0][0], *rows[0], "yes", "2001-01-01T00:00:00Z"]
        strange = [
            ["?", "?", "sea", "yes", old[-1]],
            [*old[:3], "perhaps", old[-1]],
            [*old[:4], "yesterday"],
            ["one cell"],
        ]
        load(page, "mine.csv", [*new, old, *strange])
        expect(page.locator("#message")).to_contain_text("2 decisions loaded")
        expect(page.locator("#message")).to_contain_text("4 lines left out")
        assert decisions(page) == {rows[0]: "no", rows[1]: "later", rows[2]: "yes"}
        assert new[0] in exported(page)
        assert rows[1] not in shown(page)  # the rows are chosen anew: the filter leaves those that are not decided
        page.keyboard.press("u")
        before = exported(page)
        assert [record[1:4] for record in before] == [[*rows[0], "no"]]
        load(page, "later.csv", [[*before[0][:3], "yes", "2099-01-01T00:00:00Z"]])
        assert decisions(page) == {rows[0]: "yes"}
        page.keyboard.press("u")
        assert exported(page) == before


@pytest.mark.parametrize(
    ("content", "named"), [(b"id,label\r\n1,sea\r\n", "decision, decided"), (b'id\r\n"open', "line 2"), (b"", "id")]
)
def test_a_file_that_is_no_list_of_decisions_says_why(chromium: Any, folder: Path, content: bytes, named: str) -> None:
    with opened(chromium, folder) as page:
        page.set_input_files("#load-file", {"name": "x.csv", "mimeType": "text/csv", "buffer": content})
        expect(page.locator("#message")).to_contain_text("x.csv")
        expect(page.locator("#message")).to_contain_text(named)
        assert exported(page) == []


def test_csv_is_what_python_reads_and_writes(chromium: Any, folder: Path) -> None:
    cells = ["", "a", 'say "no"', "a,b", "two\nlines", "two\r\nlines", "=1+1", "-1", "@x", "\u2028", "🐟 é", " a ", '"']
    records = [[first, second] for first in cells for second in cells if first or second]
    with opened(chromium, folder) as page:
        text = page.evaluate("(records) => decisionPage.csv.write(records)", records)
        assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == records
        written = io.StringIO(newline="")
        csv.writer(written).writerows(records)
        for variant in (written.getvalue(), "\ufeff" + written.getvalue(), written.getvalue().removesuffix("\r\n")):
            assert page.evaluate("(text) => decisionPage.csv.parse(text)", variant) == records
