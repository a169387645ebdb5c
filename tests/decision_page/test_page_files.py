"""The files of the page: complete or not there, and nothing but ours."""

import re
from pathlib import Path

import pytest

from love_thy_neighbors.decision_page import page
from love_thy_neighbors.decision_page.page import write_page
from love_thy_neighbors.errors import UserError
from made_up_annotation import write_made_up_annotation

SITE = Path(page.__file__).parent / "site"


def contents(folder: Path) -> dict[str, bytes]:
    files = [folder / "index.html", *(folder / "page").rglob("*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if path.is_file()}


def test_a_page_has_its_scripts_data_and_thumbnails(tmp_path: Path) -> None:
    write_page(write_made_up_annotation(tmp_path, photos=60))
    names = set(contents(tmp_path))
    assert {f"page/{path.name}" for path in SITE.iterdir() if path.suffix in (".js", ".css")} < names
    data = {name for name in names if name.startswith("page/data/")}
    assert data == {f"page/data/{name}.js" for name in ("index", "names", "values", "piece-0", "piece-1")}
    assert "page/thumbnails/0/0/59.webp" in names
    assert "page/thumbnails/0/0/3.webp" not in names
    assert not list(tmp_path.glob(".*"))


def test_a_page_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write_page(write_made_up_annotation(tmp_path, photos=60))
    first = contents(tmp_path)
    (tmp_path / "page" / "data" / "piece-99.js").write_text("stale")
    write_page(tmp_path)
    assert contents(tmp_path) == first


def test_an_old_page_stays_when_the_new_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_page(write_made_up_annotation(tmp_path, photos=20))
    before = contents(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page, "write_script", full)
    with pytest.raises(OSError, match="No space"):
        write_page(tmp_path)
    assert contents(tmp_path) == before
    assert not list(tmp_path.glob(".*"))


def test_a_folder_without_an_annotation_is_refused_and_untouched(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"annotation\.json"):
        write_page(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_index_html_loads_each_script_of_the_site_once() -> None:
    loaded = re.findall(r'src="page/([^"]+)"', (SITE / "index.html").read_text())
    assert sorted(loaded) == sorted(path.name for path in SITE.glob("*.js"))


@pytest.mark.parametrize("path", sorted(SITE.glob("*.js")), ids=lambda path: path.name)
def test_scripts_build_no_markup_and_call_nobody(path: Path) -> None:
    script = path.read_text()
    assert script.startswith('"use strict";\n')
    markup = re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", script)
    assert markup is None, markup
    calls = re.search(
        r"https?:|XMLHttpRequest|WebSocket|sendBeacon|\bimport\(|^import |(?<!\w)fetch\((?!\))", script, re.MULTILINE
    )
    assert calls is None, calls
    assert len(script.splitlines()) <= 300
    assert all(len(line) <= 120 for line in script.splitlines())


@pytest.mark.parametrize("name", ["notes.txt", "mine.js", "data/notes.js", "thumbnails/cover.webp", "site/"])
def test_what_somebody_keeps_in_the_page_s_folder_stays(tmp_path: Path, name: str) -> None:
    write_page(write_made_up_annotation(tmp_path, photos=20))
    path = tmp_path / "page" / name
    path.mkdir() if name.endswith("/") else path.write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(UserError, match=f"page holds {name}"):
        write_page(tmp_path)
    assert contents(tmp_path) == before
    assert path.exists()


def test_another_index_html_is_not_replaced(tmp_path: Path) -> None:
    write_made_up_annotation(tmp_path, photos=20)
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(UserError, match=r"index\.html"):
        write_page(tmp_path)
    assert contents(tmp_path) == {"index.html": b"mine"}


def test_a_page_that_was_killed_while_it_was_replaced_is_mended(tmp_path: Path) -> None:
    write_page(write_made_up_annotation(tmp_path, photos=20))
    first = contents(tmp_path)
    (tmp_path / "page").rename(tmp_path / ".page.0123ab.ltn.old")
    (tmp_path / ".page.456789.ltn.tmp").mkdir()
    (tmp_path / ".index.html.456789.ltn.tmp").touch()
    write_page(tmp_path)
    assert contents(tmp_path) == first
    assert not list(tmp_path.glob(".*"))
