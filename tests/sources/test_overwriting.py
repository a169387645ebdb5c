"""prepare.py deletes only what is ours: beside out=, and in it with overwrite=true."""

import json
import stat
from pathlib import Path

import numpy as np
import pytest

from fixtures.tree import tree
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.collection.writing import NAMES
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.ownership import MARK
from love_thy_neighbors.sources.jsonl import Options, read
from love_thy_neighbors.sources.prepare import make
from love_thy_neighbors.sources.writing import partial_folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with records and features of three photos."""
    records = [{"id": str(number), "labels": ["a"], "tags": ["x"]} for number in range(3)]
    (tmp_path / "photos.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in records))
    np.save(tmp_path / "feats.npy", np.eye(3, 4, dtype=np.float32))
    return tmp_path


def prepare(here: Path, overwrite: bool = False, out: str = "f") -> None:
    options = Options(records=here / "photos.jsonl", features=here / "feats.npy")
    make(read, options, here / out, overwrite, Extraction())


def refused(here: Path, *named: str, overwrite: bool = True, out: str = "f") -> None:
    """Preparing ends with a sentence on out= that has all of ``named``, and nothing has changed."""
    before = tree(here)
    with pytest.raises(UserError) as caught:
        prepare(here, overwrite, out)
    assert str(caught.value).startswith("out: ")
    assert [name for name in named if name not in str(caught.value)] == []
    assert tree(here) == before


def test_only_the_collection_is_left(here: Path) -> None:
    before = {*here.iterdir()}
    prepare(here)
    prepare(here, overwrite=True)
    assert {*here.iterdir()} - before == {here / "f"}
    assert len(load_collection(here / "f")) == 3


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_partial_folder_that_is_not_ours_stays(here: Path, kind: str) -> None:
    mine = here / ("mine" if kind == "link" else "f.partial")
    mine.mkdir()
    (mine / "thesis.tex").write_text("mine")
    (mine / "stored.npy").write_text("mine")
    if kind == "link":
        (here / "f.partial").symlink_to(mine)
    refused(here, "f.partial", overwrite=False)


def test_a_link_in_a_partial_folder_is_not_written_through(here: Path) -> None:
    with pytest.raises(KeyboardInterrupt), partial_folder(here / "f", NAMES) as partial:
        (partial / "progress.json").touch()
        raise KeyboardInterrupt
    (here / "precious").write_text("mine")
    (here / "f.partial" / "stored.npy").symlink_to(here / "precious")
    refused(here, "f.partial", overwrite=False)


def test_files_named_like_locks_stay(here: Path) -> None:
    for name in (".f.lock", "f.lock"):
        (here / name).write_text("mine")
    prepare(here)
    assert [(here / name).read_text() for name in (".f.lock", "f.lock")] == ["mine", "mine"]


@pytest.mark.parametrize(
    "card",
    [
        '{"title": "business card"}',
        '{"format": 1, "images": 3, "labels": {"names": []}, "metadata": []}',
        '{"format": 2, "images": 3, "labels": {"names": []}, "metadata": {}, "features": {}}',
        "[]",
        "{",
        "",
        None,
    ],
)
def test_a_folder_without_the_card_of_a_collection_is_not_replaced(here: Path, card: str | None) -> None:
    (here / "f").mkdir()
    (here / "f" / "images.parquet").write_text("mine")
    if card is not None:
        (here / "f" / "card.json").write_text(card)
    refused(here, "card.json")


@pytest.mark.parametrize(
    "name",
    [
        *("notes.txt", "photos/1.jpg", "empty/", "features/mine.npy", "features/notes.txt", "thumbnails/cover.webp"),
        *("inner/card.json", "features/inner/card.json", "card.json.bak", ".hidden", "thumbnails/1.webp/x", "link"),
    ],
)
def test_what_somebody_keeps_in_a_collection_is_named_and_stays(here: Path, name: str) -> None:
    prepare(here)
    path = here / "f" / name
    if name == "link":
        path.symlink_to(here)
    elif name.endswith("/"):
        path.mkdir()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    first, _, rest = name.partition("/")
    refused(here, f"{first}/{rest.split('/')[0]}" if first in ("features", "thumbnails") else first)


def test_a_collection_in_another_ones_folder_stays(here: Path) -> None:
    prepare(here)
    prepare(here, out="f/inner")
    refused(here, "inner/")


def test_a_readme_of_somebody_stays(here: Path) -> None:
    prepare(here)
    (here / "f" / "README.md").write_text("mine")
    refused(here, "README.md")


@pytest.mark.parametrize("name", ["features", "images.parquet", "card.json"])
def test_a_collection_with_links_in_it_is_not_replaced(here: Path, name: str) -> None:
    prepare(here)
    (here / "f" / name).rename(here / "elsewhere")
    (here / "f" / name).symlink_to(here / "elsewhere")
    refused(here, name)


def test_a_link_to_a_collection_is_not_replaced(here: Path) -> None:
    prepare(here, out="elsewhere")
    (here / "f").symlink_to(here / "elsewhere")
    refused(here, "f is a link")


def test_an_empty_folder_may_be_replaced(here: Path) -> None:
    (here / "f").mkdir()
    refused(here, "overwrite=true", overwrite=False)
    prepare(here, overwrite=True)
    assert len(load_collection(here / "f")) == 3


def test_what_a_killed_process_left_is_used_up(here: Path) -> None:
    """As after a kill between the two renames of `replace_folder`: the old collection is back, and then replaced."""
    before = {*here.iterdir()}
    prepare(here)
    (here / "f").rename(here / ".f.0123ab.ltn.old")
    (here / ".f.456789.ltn.tmp").mkdir()
    with pytest.raises(UserError, match="overwrite=true"):
        prepare(here)
    assert len(load_collection(here / "f")) == 3
    prepare(here, overwrite=True)
    assert {*here.iterdir()} - before == {here / "f"}


def test_one_process_at_a_time(here: Path) -> None:
    with partial_folder(here / "f", NAMES) as partial:
        assert (partial / MARK).is_file()
        with pytest.raises(UserError, match="another process"):
            prepare(here)
        assert (partial / MARK).is_file()
    prepare(here)


def test_a_private_collection_stays_private(here: Path) -> None:
    prepare(here)
    (here / "f").chmod(0o700)
    prepare(here, overwrite=True)
    assert stat.S_IMODE((here / "f").stat().st_mode) == 0o700


@pytest.mark.parametrize("out", [".", ".."])
def test_a_folder_without_a_name_of_its_own_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    (here / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(here / "a" / "b")
    options = Options(records=here / "photos.jsonl", features=here / "feats.npy")
    before = tree(here)
    with pytest.raises(UserError, match=f"^out: {out} "):
        make(read, options, Path(out), True, Extraction())
    assert tree(here) == before


def test_half_written_files_in_the_partial_folder_go_and_finished_work_stays(here: Path) -> None:
    with pytest.raises(KeyboardInterrupt), partial_folder(here / "f", NAMES) as partial:
        for name in ("progress.json", "features.npy", ".key.json.0123ab.ltn.tmp"):
            (partial / name).touch()
        (partial / ".page.0123ab.ltn.tmp").mkdir()
        raise KeyboardInterrupt
    with partial_folder(here / "f", NAMES) as partial:
        assert {path.name for path in partial.iterdir()} == {MARK, "progress.json", "features.npy"}
