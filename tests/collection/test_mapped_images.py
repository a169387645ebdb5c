"""Mapped images are the images that are read: equal, made once, and made again if a file is damaged."""

import errno
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import made_up_table, write_made_up
from love_thy_neighbors.collection import mapped_images as module
from love_thy_neighbors.collection.card import METADATA_TYPES, TEXT_COLUMNS
from love_thy_neighbors.collection.checked_files import Memory
from love_thy_neighbors.collection.images_table import Images, read_images
from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.collection.mapped_images import mapped_images
from love_thy_neighbors.collection.writing import write_collection
from love_thy_neighbors.errors import UserError


def assert_same(one: Collection | Images, other: Collection | Images) -> None:
    assert list(one.metadata) == list(other.metadata) == list(one.values) == list(other.values)
    for kind in one.metadata:
        assert one.values[kind] == other.values[kind]
    pairs = [(one.labels, other.labels), *((one.metadata[kind], other.metadata[kind]) for kind in one.metadata)]
    for first, second in pairs:
        assert first.shape == second.shape
        for part in ("data", "indices", "indptr"):
            assert getattr(first, part).dtype == getattr(second, part).dtype
            assert np.array_equal(getattr(first, part), getattr(second, part))
        assert first.has_sorted_indices
    if isinstance(one, Images) and isinstance(other, Images):
        assert set(one.texts) == set(other.texts) == {*TEXT_COLUMNS}
        assert all(one.texts[name].to_pylist() == other.texts[name].to_pylist() for name in TEXT_COLUMNS)
    elif isinstance(one, Collection) and isinstance(other, Collection):
        for name in ("ids", "files", "owners", "parts", "taken"):
            assert getattr(one, name).to_pylist() == getattr(other, name).to_pylist()


WORDS = st.lists(st.sampled_from(["a", "b", "ä", "Z", "東京", "", "\U0001f600", "\uffff"]), max_size=4)


@given(st.lists(st.tuples(WORDS, WORDS, st.none() | st.text(st.characters(codec="utf-8"), max_size=3)), max_size=8))
@settings(max_examples=25, deadline=None)
def test_mapped_and_read_are_equal(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple]) -> None:
    place = tmp_path_factory.mktemp("mapped")
    lists, names = pa.list_(pa.string()), sorted({label for row in rows for label in row[0]})
    columns = {
        "id": pa.array(map(str, range(len(rows))), pa.string()),
        "owner": pa.array([row[2] for row in rows], pa.string()),
        "labels": pa.array([row[0] for row in rows], lists),
        "Tags": pa.array([row[1] for row in rows], lists),
        "tags": pa.array([row[0] * 2 for row in rows], lists),  # on some systems the names of files ignore case
    }
    features = np.zeros((len(rows), 2), dtype=np.float16)
    write_collection(place / "c", pa.table(columns), {"labels": {"names": names}}, {"made_up": features})
    path = place / "c" / "images.parquet"
    read = read_images(path, tuple(names))
    for _ in range(2):
        assert_same(mapped_images(path, tuple(names), "0" * 64, Memory(place / "cache"), lambda: None), read)
    for row, (labels, tags, _) in enumerate(rows):  # what was written
        assert {names[column] for column in read.labels[[row]].indices} == set(labels)
        assert {read.values["Tags"][column] for column in read.metadata["Tags"][[row]].indices} == set(tags)
    assert all(values == sorted(values) for values in read.values.values())


def test_a_second_start_does_not_read_the_table(made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_collection(made_up)
    assert_same(load_collection(made_up, cache=tmp_path), before)
    monkeypatch.setattr(module, "list_column", None)
    monkeypatch.setattr(module, "text_column", None)
    monkeypatch.setattr(module, "read_images", None)
    collection = load_collection(made_up, cache=tmp_path)
    assert_same(collection, before)
    if Path("/proc/self/maps").exists():
        mapped = {line.rsplit("/", 1)[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
        wanted = {f"{place}-{name}.indices.npy" for place, name in enumerate(("labels", *METADATA_TYPES), 5)}
        assert wanted | {"0-id.arrow", "2-owner.arrow", "ones.npy"} <= mapped


def test_the_mapped_files_are_not_changed_by_who_changes_a_matrix(made_up: Path, tmp_path: Path) -> None:
    load_collection(made_up, cache=tmp_path).metadata["tags"].indices[:] = 0
    assert_same(load_collection(made_up, cache=tmp_path), load_collection(made_up))


DAMAGE = ("about.json", "ones.npy", "0-id.arrow", "6-tags.indptr.npy", "6-tags.indices.npy", "6-tags.values.arrow")


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("how", ["changed", "cut", "empty", "missing"])
def test_a_damaged_file_is_made_again(made_up: Path, tmp_path: Path, name: str, how: str) -> None:
    before = load_collection(made_up, cache=tmp_path)
    (path,) = tmp_path.glob(f"collections/*/{name}")
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        # Another file in its place: the one before stays mapped.
        other = tmp_path / "other"
        other.write_bytes({"changed": flipped, "cut": content[:middle], "empty": b""}[how])
        other.replace(path)
    assert_same(load_collection(made_up, cache=tmp_path), before)
    if name != "about.json" or how != "changed":
        assert path.read_bytes() == content


@pytest.mark.parametrize("about", [b"[]", b"null", b'{"files": 3}', b'{"files": {}, "types": 7}', b'{"files": {}}'])
def test_a_foreign_description_is_made_again(made_up: Path, tmp_path: Path, about: bytes) -> None:
    before = load_collection(made_up, cache=tmp_path)
    (path,) = tmp_path.glob("collections/*/about.json")
    content = path.read_bytes()
    path.write_bytes(about)
    assert_same(load_collection(made_up, cache=tmp_path), before)
    assert path.read_bytes() == content


def test_a_changed_table_is_noticed_and_not_kept(made_up: Path, tmp_path: Path) -> None:
    """Not under the name of what the card declares, neither before nor after the right one has been mapped."""
    table, features = made_up_table(seed=1)
    other = write_made_up(tmp_path / "other", table, features) / "images.parquet"
    for cache, first in ((tmp_path / "a", False), (tmp_path / "b", True)):
        folder = Path(shutil.copytree(made_up, tmp_path / f"collection-{first}"))
        if first:
            load_collection(folder, cache=cache)
        shutil.copyfile(other, folder / "images.parquet")
        for _ in range(2):
            with pytest.raises(UserError, match=r"images\.parquet.*images_sha256"):
                load_collection(folder, cache=cache)
        assert len(list(cache.glob("collections/*/about.json"))) == first
        (folder / "images.parquet").unlink()
        with pytest.raises(UserError, match=r"images\.parquet is missing"):
            load_collection(folder, cache=cache)


def test_another_collection_gets_files_of_its_own(made_up: Path, tmp_path: Path) -> None:
    table, features = made_up_table(seed=1)
    other = write_made_up(tmp_path / "other", table, features)
    load_collection(made_up, cache=tmp_path / "cache")
    assert_same(load_collection(other, cache=tmp_path / "cache"), load_collection(other))
    assert len(list((tmp_path / "cache").glob("collections/*/about.json"))) == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_without_a_place_to_write_the_collection_is_read(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    def fail(path: Path, array: np.ndarray) -> None:
        raise OSError(number, "made up", str(path))

    monkeypatch.setattr(module, "write_npy", fail)
    assert_same(load_collection(made_up, cache=tmp_path), load_collection(made_up))
    assert "made up" in caplog.text
    assert not [path for path in tmp_path.glob("collections/*") if path.is_dir()]


def test_a_folder_with_anything_else_in_it_is_not_replaced(made_up: Path, tmp_path: Path) -> None:
    load_collection(made_up, cache=tmp_path)
    (folder,) = tmp_path.glob("collections/*/")
    (folder / "about.json").unlink()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match=r"mine\.txt"):
        load_collection(made_up, cache=tmp_path)
    assert (folder / "mine.txt").read_text() == "mine"


def test_a_process_that_does_not_write_uses_what_is_there(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_collection(made_up)
    assert_same(load_collection(made_up, cache=tmp_path / "cache", writes=False), before)
    assert not (tmp_path / "cache").exists()
    load_collection(made_up, cache=tmp_path / "cache")
    there = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")}
    monkeypatch.setattr(module, "read_images", None)
    assert_same(load_collection(made_up, cache=tmp_path / "cache", writes=False), before)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")} == there
