"""sources/updating.py, keeping.py, contents.py: update=true makes features of new content only and keeps the others."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from conftest import ROOT, checked, short_run
from conftest import settings as train_settings
from fixtures.folder import picture, saved, xmp
from fixtures.tree import tree
from love_thy_neighbors import Annotator
from love_thy_neighbors.annotation.files import read_annotation
from love_thy_neighbors.collection.card import collection_fingerprint
from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features import again, decoding
from love_thy_neighbors.features import extraction as features
from love_thy_neighbors.features.backbones import Backbone, table_name
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.programs.annotate import annotate, choices_of
from love_thy_neighbors.runs.identity import run_name
from love_thy_neighbors.sources import collection, contents, folder, jsonl
from love_thy_neighbors.sources.contents import SCHEMA
from love_thy_neighbors.sources.prepare import make
from love_thy_neighbors.sources.updating import compare

HOW = Extraction(size=32, batch_size=4, workers=0, device="cpu", thumbnail=16, max_pixels=10_000)
OLD = 1_600_000_000  # seconds; a file of that time is not read again


@pytest.fixture(autouse=True)
def mean_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every network gives the mean colour, times a number by which a table shows which network made it."""

    def load(name: str, device: object, weights: Path | None = None) -> Backbone:
        factor = 2.0 if name == "resnet50" else 1.0
        sha = weights.read_text() if weights else "0" * 64
        return Backbone(table_name(name), 3, sha, lambda pixels: factor * pixels.mean(dim=(2, 3)))

    monkeypatch.setattr(features, "load_backbone", load)
    monkeypatch.setattr(again, "load_backbone", load)


class Photos:
    """A folder of photos and its collection."""

    def __init__(self, place: Path, count: int = 12) -> None:
        self.place, self.root, self.out = place, place / "photos", place / "mine"
        for number in range(count):
            self.add(f"{number % 3}/{number}.jpg", number)

    def add(self, path: str, seed: int, *tags: str, age: float = 0) -> None:
        colour = tuple(np.random.default_rng(seed).integers(0, 256, 3).tolist())
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(saved(picture(colour, seed=seed), xmp=xmp(tags or (f"tag{seed % 4}",))))
        os.utime(target, (OLD + age, OLD + age))

    def prepare(self, update: bool = True, out: Path | None = None, how: Extraction = HOW, **options: Any) -> None:
        make(folder.read, folder.Options(root=self.root, **options), out or self.out, False, how, update)

    def update(self, how: Extraction = HOW, **options: Any) -> dict[str, int]:
        """The counts in the card after an update."""
        self.prepare(how=how, **options)
        counts = self.card["update"]
        assert counts["features_computed"] == counts["added"] + counts["changed"]
        return {key: counts[key] for key in ("added", "changed", "removed", "kept", "renamed")}

    def refused(self, *named: str, **options: Any) -> None:
        """The update ends with a sentence that names all of these, and nothing has changed."""
        before = tree(self.place)
        with pytest.raises(UserError) as caught:
            self.prepare(**options)
        assert [name for name in ("update", *named) if name not in str(caught.value)] == []
        assert tree(self.place) == before

    @property
    def card(self) -> dict[str, Any]:
        return json.loads((self.out / "card.json").read_text())

    def same_as_made_anew(self, **options: Any) -> Collection:
        """The updated collection, which is the one that is made of the folder without any older one."""
        self.prepare(update=False, out=self.place / "anew", **options)
        ours, anew = load_collection(self.out), load_collection(self.place / "anew")
        assert pq.read_table(self.out / "images.parquet").equals(pq.read_table(self.place / "anew" / "images.parquet"))
        np.testing.assert_allclose(
            np.asarray(ours.features.table, np.float32), np.asarray(anew.features.table, np.float32), rtol=1e-3
        )
        for row in range(len(ours)):
            pictures = [one.folder / "thumbnails" / f"{row}.webp" for one in (ours, anew)]
            assert pictures[0].read_bytes() == pictures[1].read_bytes()
        assert len(list((self.out / "thumbnails").iterdir())) == len(ours)
        shutil.rmtree(self.place / "anew")
        return ours


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    found = Photos(tmp_path)
    found.prepare(update=False)
    return found


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were decoded, in order."""
    read: list[str] = []
    original = decoding.read_image
    monkeypatch.setattr(decoding, "read_image", lambda path, limit: read.append(path.name) or original(path, limit))
    return read


@pytest.fixture
def content_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose content was hashed."""
    read: list[str] = []
    original = contents.sha256
    monkeypatch.setattr(contents, "sha256", lambda path: read.append(path.name) or original(path))
    return read


def counts(**given: int) -> dict[str, int]:
    return dict.fromkeys(("added", "changed", "removed", "kept", "renamed"), 0) | given


def test_only_new_content_is_decoded(photos: Photos, decoded: list[str]) -> None:
    photos.add("0/new.jpg", 100)
    photos.add("1/1.jpg", 101)  # other content under the old name
    (photos.root / "2/2.jpg").unlink()
    (photos.root / "0/3.jpg").rename(photos.root / "1/moved.jpg")
    assert photos.update() == counts(added=1, changed=1, removed=1, kept=10, renamed=1)
    assert sorted(decoded) == ["1.jpg", "new.jpg"]
    assert photos.same_as_made_anew().files.to_pylist() == sorted(
        path.relative_to(photos.root).as_posix() for path in photos.root.rglob("*.jpg")
    )


def test_new_tags_of_an_old_picture_cost_no_feature(photos: Photos, decoded: list[str]) -> None:
    (photos.root / "0/0.jpg.xmp").write_bytes(xmp(("from a sidecar",)))
    assert photos.update() == counts(kept=12)
    assert decoded == []
    assert "from a sidecar" in photos.same_as_made_anew().values["tags"]


def test_an_update_of_nothing_is_the_same_collection(photos: Photos, content_read: list[str]) -> None:
    before = collection_fingerprint(photos.out, None)
    assert photos.update() == counts(kept=12)
    assert content_read == []
    assert collection_fingerprint(photos.out, None) == before
    assert photos.update() == counts(kept=12)


@pytest.mark.parametrize("change", ["content of the same size and time", "time", "file of the same content"])
def test_a_file_that_differs_in_size_time_or_inode_is_read_again(
    photos: Photos, content_read: list[str], change: str
) -> None:
    path = photos.root / "0/0.jpg"
    content = path.read_bytes()
    if change == "time":
        os.utime(path, (OLD + 1, OLD + 1))
    else:
        if change.startswith("content"):
            at = content.index(b"tag0")
            content = content[:at] + b"tag9" + content[at + 4 :]
        path.unlink()
        path.write_bytes(content)
        os.utime(path, (OLD, OLD))
    changed = int(change.startswith("content"))
    assert photos.update() == counts(kept=12 - changed, changed=changed)
    assert content_read == ["0.jpg"]


def test_a_file_that_has_just_been_written_is_read_again(photos: Photos, content_read: list[str]) -> None:
    path = photos.root / "0/0.jpg"
    os.utime(path)
    photos.update()
    assert content_read == ["0.jpg"]
    photos.update()
    assert content_read == ["0.jpg", "0.jpg"]


def test_a_file_that_changes_during_the_work_has_no_hash(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    original = decoding.read_image

    def change(path: Path, limit: int) -> Image.Image:
        found = original(path, limit)
        photos.add("0/new.jpg", 101)
        return found

    photos.add("0/new.jpg", 100)
    monkeypatch.setattr(decoding, "read_image", change)
    photos.prepare()
    monkeypatch.setattr(decoding, "read_image", original)
    assert photos.update() == counts(kept=12, changed=1)
    photos.same_as_made_anew()


def test_the_same_content_twice(photos: Photos, decoded: list[str]) -> None:
    lines = [{"id": str(number), "file": "0/0.jpg" if number < 2 else "1/1.jpg"} for number in range(3)]
    records = photos.place / "photos.jsonl"
    out = photos.place / "two"

    def prepare(update: bool) -> dict[str, Any]:
        records.write_text("".join(json.dumps(line) + "\n" for line in lines))
        options = jsonl.Options(records=records, images=photos.root)
        make(jsonl.read, options, out, False, HOW, update)
        return json.loads((out / "card.json").read_text()).get("update", {})

    prepare(False)
    decoded.clear()
    shutil.copy(photos.root / "0/0.jpg", photos.root / "copy.jpg")
    lines += [{"id": "3", "file": "copy.jpg"}, {"id": "4", "file": "2/2.jpg"}]
    found = prepare(True)
    assert (found["added"], found["kept"], found["renamed"]) == (1, 4, 1)
    assert decoded == ["2.jpg"]
    table = load_collection(out).features.table
    np.testing.assert_array_equal(table[0], table[1])
    np.testing.assert_array_equal(table[0], table[3])


def test_an_unreadable_picture_is_tried_again(photos: Photos, decoded: list[str]) -> None:
    photos.add("0/half.jpg", 50)
    whole = (photos.root / "0/half.jpg").read_bytes()
    (photos.root / "0/half.jpg").write_bytes(whole[:-120])
    assert photos.update(max_rejected=1) == counts(kept=12)
    assert "half.jpg" in (photos.out / "rejected.jsonl").read_text()
    assert photos.update(max_rejected=1) == counts(kept=12)
    (photos.root / "0/half.jpg").write_bytes(whole)
    assert photos.update(max_rejected=1) == counts(kept=12, added=1)
    assert decoded == ["half.jpg"] * 3
    photos.same_as_made_anew()


def test_an_interrupted_update_leaves_the_old_collection_and_continues(
    photos: Photos, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        photos.add(f"new/{number}.jpg", 100 + number)
    before = tree(photos.out)
    write = features._Partial.add

    def interrupted(self: Any, rows: range, *more: Any) -> None:
        if rows.start >= 4:
            raise KeyboardInterrupt
        write(self, rows, *more)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(features._Partial, "add", interrupted)
        photos.prepare()
    assert tree(photos.out) == before
    decoded.clear()
    assert photos.update() == counts(added=10, kept=12)
    assert len(decoded) == 6
    assert {path.name for path in photos.place.iterdir()} == {"photos", "mine"}
    photos.same_as_made_anew()


def changed_weights(photos: Photos) -> Extraction:
    (photos.place / "weights.pth").write_text("1" * 64)
    return replace(HOW, weights=photos.place / "weights.pth")


@pytest.mark.parametrize(
    ("how", "named"),
    [
        (lambda photos: replace(HOW, fit="pad"), "preprocessing"),
        (lambda photos: replace(HOW, size=64), "preprocessing"),
        (lambda photos: replace(HOW, precision="bfloat16"), "precision=float32"),
        (lambda photos: replace(HOW, thumbnail=32), "thumbnail=16"),
        (lambda photos: replace(HOW, backbone="alexnet"), "efficientnet_lite0"),
        (changed_weights, "weights"),
    ],
)
def test_features_that_do_not_fit_together_are_refused(
    photos: Photos, how: Callable[[Photos], Extraction], named: str
) -> None:
    settings = how(photos)
    photos.refused(named, "overwrite=true", how=settings)


def test_without_thumbnails_all_features_are_kept(photos: Photos, decoded: list[str]) -> None:
    assert photos.update(how=replace(HOW, thumbnail=0)) == counts(kept=12)
    assert not (photos.out / "thumbnails").exists()
    assert decoded == []


def test_a_lost_thumbnail_is_made_again(photos: Photos, decoded: list[str]) -> None:
    (photos.out / "thumbnails" / "5.webp").unlink()
    photos.prepare()
    assert len(decoded) == 1
    photos.same_as_made_anew()


@pytest.mark.parametrize("damage", ["missing", "damaged", "of another collection", "other columns"])
def test_without_hashes_all_is_computed_and_the_next_update_keeps_it(
    photos: Photos, decoded: list[str], damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = photos.out / "pictures.parquet"
    if damage == "missing":
        path.unlink()
    elif damage == "damaged":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "of another collection":
        pq.write_table(pq.read_table(path).replace_schema_metadata({"images_sha256": "0" * 64}), path)
    else:
        pq.write_table(pq.read_table(path).drop_columns(["sha256"]), path)
    photos.prepare()
    assert "pictures.parquet" in capsys.readouterr().out
    assert len(decoded) == 12
    assert photos.card["update"]["features_computed"] == 12
    assert "pictures.parquet" in photos.card["update"]["nothing_kept"]
    assert "kept" not in photos.card["update"]
    assert photos.update() == counts(kept=12)
    photos.same_as_made_anew()


@pytest.mark.parametrize("name", ["features/efficientnet_lite0.npy", "images.parquet"])
def test_a_damaged_collection_is_told(photos: Photos, name: str) -> None:
    path = photos.out / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    photos.refused(name, "overwrite=true")


def test_an_update_with_nothing_in_common_is_a_mistake(photos: Photos) -> None:
    photos.root.rename(photos.place / "elsewhere")
    photos.add("a.jpg", 99)
    photos.refused(str(photos.out), str(photos.root), "overwrite=true")


def test_both_keys_are_refused_and_a_new_collection_is_made(photos: Photos, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="^update, overwrite: "):
        make(folder.read, folder.Options(root=photos.root), photos.out, True, HOW, True)
    photos.prepare(out=photos.place / "new")
    assert f"update: there is no collection in {photos.place / 'new'}" in capsys.readouterr().out
    assert "update" not in json.loads((photos.place / "new" / "card.json").read_text())


def test_given_features_are_not_kept_and_that_is_said(photos: Photos, capsys: pytest.CaptureFixture[str]) -> None:
    records, table, out = (photos.place / name for name in ("photos.jsonl", "feats.npy", "given"))
    for number in (3, 4):
        records.write_text("".join(f'{{"id": "{row}"}}\n' for row in range(number)))
        np.save(table, np.eye(number, 8, dtype=np.float32))
        make(jsonl.read, jsonl.Options(records=records, features=table), out, False, HOW, number == 4)
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("update: ")]
    assert len(printed) == 1
    assert len(load_collection(out)) == 4


def test_given_features_in_place_of_computed_ones_are_refused(photos: Photos) -> None:
    records, table = photos.place / "photos.jsonl", photos.place / "feats.npy"
    records.write_text('{"id": "1"}\n')
    np.save(table, np.eye(1, 8, dtype=np.float32))
    before = tree(photos.out)
    with pytest.raises(UserError, match=r"^update: .*efficientnet_lite0"):
        make(jsonl.read, jsonl.Options(records=records, features=table), photos.out, False, HOW, True)
    assert tree(photos.out) == before


def add_table(photos: Photos, name: str | Path) -> None:
    images = None if isinstance(name, Path) else photos.root
    collection.add_features(collection.Options(root=photos.out, features=str(name), images=images), HOW)


@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "resnet50"])
def test_other_tables_get_rows_for_new_pictures(photos: Photos, decoded: list[str], backbone: str) -> None:
    add_table(photos, "resnet50")
    decoded.clear()
    photos.add("0/new.jpg", 100)
    (photos.root / "2/2.jpg").unlink()
    assert photos.update(how=replace(HOW, backbone=backbone)) == counts(added=1, removed=1, kept=11)
    assert decoded == ["new.jpg", "new.jpg"]
    assert list(photos.card["features"]) == ["efficientnet_lite0", "resnet50"]
    first, second = (load_collection(photos.out, name).features.table for name in photos.card["features"])
    np.testing.assert_allclose(np.asarray(second, np.float32), 2 * np.asarray(first, np.float32), rtol=1e-3)
    assert photos.update() == counts(kept=12)
    photos.same_as_made_anew()


def test_a_table_that_cannot_be_completed_is_not_lost(photos: Photos) -> None:
    np.save(photos.place / "mine.npy", np.eye(12, 4, dtype=np.float32))
    add_table(photos, photos.place / "mine.npy")
    photos.add("0/new.jpg", 100)
    photos.refused("'mine'", "overwrite=true")


def test_a_run_belongs_to_the_rows_that_it_was_trained_on(photos: Photos) -> None:
    """A run is found again by its name: after an update of nothing, and never after another update."""

    def name() -> str:
        return run_name(checked(train_settings(f"data={photos.out}", "metadata=tags")))

    before = name()
    photos.update()
    assert name() == before
    (photos.root / "0/0.jpg.xmp").write_bytes(xmp(("another tag",)))
    photos.update()
    assert name() != before


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Photos, Path]:
    """Photos with a collection, and a run on it; then three photos came and one went, and the collection is updated."""
    photos, labels = Photos(tmp_path, 40), tmp_path / "labels.csv"
    lines = [f"{number % 3}/{number}.jpg,label{number % 2}" for number in range(1, 40)]
    labels.write_text("\n".join(["file,label", *lines]) + "\n")
    photos.prepare(update=False, labels=labels)
    run = short_run(photos.out, tmp_path, "epochs=2")
    for number in range(3):
        photos.add(f"new/{number}.jpg", 100 + number, "tag0")
    (photos.root / "0/0.jpg").unlink()
    photos.update(labels=labels)
    return photos, run


def test_a_model_annotates_the_updated_collection(
    trained: tuple[Photos, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, run = trained
    Annotator.load(run).suggest(collection=photos.out, out=tmp_path / "out")
    found = read_annotation(tmp_path / "out")
    assert found.photos["file"].to_pylist() == [f"new/{number}.jpg" for number in range(3)]
    assert found.about.counts["doubtful_labels"] == 0
    assert any("updated" in note for note in found.about.notes)
    neighbours = {one["id"] for photo in found.photos["neighbours"].to_pylist() for one in photo}
    assert {photo.partition("/")[0] for photo in neighbours} == {"0", "1"}  # of those with tag0, the first rows
    alone = Annotator.load(run).suggest(collection=photos.out, neighbours="new", out=tmp_path / "new")
    assert alone.num_rows
    for photo in read_annotation(tmp_path / "new").photos["neighbours"].to_pylist():
        assert {one["id"].partition("/")[0] for one in photo} == {"new"}


def test_annotate_knows_what_became_of_the_collection_of_a_run(
    trained: tuple[Photos, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, run = trained

    def annotated(*overrides: str) -> None:
        with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
            config = compose("annotate", overrides=[f"run={run}", *overrides])
        annotate(choices_of(config))

    annotated()
    assert len(read_annotation(run / "unlabelled").photos) == 3
    assert "updated" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"^images: .*mine"):
        annotated("images=test", f"out={tmp_path / 'test'}")
    photos.add("0/another.jpg", 200)
    shutil.rmtree(photos.out)
    photos.prepare(update=False)
    with pytest.raises(UserError, match=r"^run: .*mine"):
        annotated(f"out={tmp_path / 'again'}")


def test_without_unlabelled_photos_there_is_nothing_to_suggest(trained: tuple[Photos, Path]) -> None:
    photos, run = trained
    for number in range(3):
        (photos.root / f"new/{number}.jpg").unlink()
    photos.update(labels=photos.place / "labels.csv")
    with pytest.raises(UserError, match=r"^collection: .*mine"):
        Annotator.load(run).suggest(collection=photos.out)


names = st.lists(st.sampled_from("abcdef"), unique=True, max_size=6)


@st.composite
def hash_tables(draw: st.DrawFn) -> pa.Table:
    files = draw(names)
    hashes = draw(st.lists(st.sampled_from(["1", "2", "3", None]), min_size=len(files), max_size=len(files)))
    columns = [files, hashes, *([[0] * len(files)] * 4)]
    return pa.table([pa.array(one, kind) for one, kind in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA)


@settings(deadline=None)
@given(hash_tables(), hash_tables())
def test_every_picture_is_counted_once_and_kept_by_content(before: pa.Table, now: pa.Table) -> None:
    found = compare(before, now)
    assert found.kept + found.changed + found.added == len(now)
    assert found.renamed <= found.kept
    assert found.removed <= len(before)
    old, new = before["sha256"].to_pylist(), now["sha256"].to_pylist()
    for row, place in enumerate(found.rows.tolist()):
        assert (place >= 0) == (new[row] is not None and new[row] in old)
        assert place < 0 or old[place] == new[row]
    if {*before["file"].to_pylist()} == {*now["file"].to_pylist()}:
        assert found.added == found.removed == found.renamed == 0


@settings(deadline=None)
@given(hash_tables())
def test_what_is_compared_with_itself_is_kept(table: pa.Table) -> None:
    known = table["sha256"].to_pylist()
    found = compare(table, table)
    assert (found.kept, found.added, found.removed) == (sum(one is not None for one in known), 0, 0)
