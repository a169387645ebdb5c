"""report.py replaces and deletes its own files alone."""

from pathlib import Path

import pytest

from fixtures.tree import tree
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.report.document import Column, Report, Row, Section, Table
from love_thy_neighbors.report.files import write, write_page
from love_thy_neighbors.report.own_files import LIST


def report(*tables: str) -> Report:
    blocks = tuple(Table(name, name, (Column("a"),), (Row((1,)),)) for name in tables)
    return Report("made up", "", 1, (Section("one", "One", "here", blocks),), ())


def written(out: Path, *tables: str) -> set[str]:
    """The files in ``out`` after a report with ``tables`` was written into it."""
    made = report(*tables)
    write_page(made, write(made, out), out, "now", None)
    return {name for name, content in tree(out).items() if content != "folder"}


def files(*tables: str) -> set[str]:
    return {LIST, "report.md", "index.html", *(f"tables/{name}.{kind}" for name in tables for kind in ("csv", "tex"))}


def test_a_report_replaces_its_files_deletes_old_ones_and_leaves_others(tmp_path: Path) -> None:
    assert written(tmp_path, "one", "two") == files("one", "two")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "tables" / "mine.csv").write_text("mine")
    assert written(tmp_path, "two", "three-more") == {*files("two", "three-more"), "notes.txt", "tables/mine.csv"}
    assert written(tmp_path, "two", "three-more") == {*files("two", "three-more"), "notes.txt", "tables/mine.csv"}


@pytest.mark.parametrize("name", ["index.html", "report.md", "tables/one.csv", "link", "tables", LIST])
def test_a_foreign_file_of_one_of_our_names_is_named_and_stays(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    if name == "link":
        name = "index.html"
        (out / name).symlink_to(tmp_path / "nowhere")
    elif name == LIST:
        (out / name).symlink_to(tmp_path / "elsewhere")
    else:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(UserError) as caught:
        written(out, "one")
    assert str(caught.value).startswith(f"out: {out} ")
    assert name in str(caught.value)
    assert tree(tmp_path) == before


def test_a_foreign_file_in_the_place_of_a_new_one_stays(tmp_path: Path) -> None:
    written(tmp_path, "one")
    (tmp_path / "tables" / "two.csv").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(UserError, match=r"tables/two\.csv"):
        written(tmp_path, "one", "two")
    assert tree(tmp_path) == before


def test_a_foreign_document_that_links_to_files_deletes_none(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "old.csv").write_text("mine")
    (tmp_path / "report.md").write_text("# My thesis\n\n[CSV](tables/old.csv)\n")
    with pytest.raises(UserError, match=r"report\.md"):
        written(tmp_path, "one")
    assert (tmp_path / "tables" / "old.csv").read_text() == "mine"


def test_a_report_of_a_version_without_a_list_is_replaced(tmp_path: Path) -> None:
    written(tmp_path, "one", "two")
    (tmp_path / LIST).unlink()
    (tmp_path / "tables" / "mine.csv").write_text("mine")
    assert written(tmp_path, "two") == {*files("two"), "tables/mine.csv"}


@pytest.mark.parametrize("line", ["../precious", "/precious", "tables/../../precious.csv", "precious", "notes.txt"])
def test_a_crafted_list_deletes_nothing_else(tmp_path: Path, line: str) -> None:
    out = tmp_path / "out"
    written(out, "one")
    for place in (tmp_path, out):
        for name in ("precious", "precious.csv", "notes.txt"):
            (place / name).write_text("mine")
    with (out / LIST).open("a") as file:
        file.write(f"{line}\n")
    written(out, "one")
    assert [(place / "precious").read_text() for place in (tmp_path, out)] == ["mine", "mine"]
    assert (tmp_path / "precious.csv").read_text() == (out / "notes.txt").read_text() == "mine"


def test_a_killed_report_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill before report.md is there, tables are ours, and temporary files go."""
    with monkeypatch.context() as patched:
        patched.setattr("love_thy_neighbors.report.files.as_document", lambda _: exit())
        with pytest.raises(SystemExit):
            written(tmp_path, "one")
    (tmp_path / "tables" / ".one.csv.0123ab.ltn.tmp").touch()
    assert not (tmp_path / "report.md").exists()
    assert written(tmp_path, "two") == files("two")
