"""sources/paper_release: the paper's files, in either version of MATLAB's format, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from conftest import train_on
from fixtures.paper_release import DIM, TRAIN, PaperRelease, made_up, write, write_hdf5, write_v5
from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.runs.chosen_split import split_collection
from love_thy_neighbors.runs.settings import SplitSettings
from love_thy_neighbors.sources import paper_release
from love_thy_neighbors.sources.paper_release import Options, matlab_hdf5, read
from love_thy_neighbors.sources.prepare import make
from love_thy_neighbors.splits import PARTS

NUS, SPLIT, FEATURES = "NUS_data.mat", "NUS_split2.mat", "feat_alexnet/feat7_caffe_all.mat"


class Paper:
    """A miniature release, and the command on it."""

    def __init__(self, folder: Path, release: PaperRelease) -> None:
        self.folder, self.made, self.root, self.out = folder, release, folder / "root", folder / "out"

    def prepare(self, **options: Any) -> Collection:
        given = {"root": self.root, "train_images": TRAIN, **options}
        make(read, Options(**given), self.out, False, Extraction())
        return load_collection(self.out)

    def error(self, **options: Any) -> str:
        with pytest.raises(UserError) as caught:
            self.prepare(**options)
        assert not self.out.exists()
        assert list(self.folder.glob("*.partial")) == []
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(f"{self.folder}/", "")


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path, made_up())


def tags_of(collection: Collection) -> list[set[str]]:
    matrix, names = collection.metadata["tags"], collection.values["tags"]
    return [{names[code] for code in row.indices} for row in matrix]


def check(paper: Paper, collection: Collection) -> None:
    """The collection holds what the files say, image by image."""
    made, used = paper.made, 110
    assert collection.ids.to_pylist() == made.photo_ids[:used]
    assert collection.label_names == tuple(made.labels)
    assert (collection.labels.toarray() == made.label_matrix[:used]).all()
    expected = [{made.tags[tag] for tag in np.flatnonzero(row)} - {""} for row in made.tag_matrix[:used]]
    assert tags_of(collection) == expected
    features = np.array([made.features(row) for row in range(used)])
    np.testing.assert_array_equal(collection.features.table, features.astype(np.float16))
    assert collection.features.backbone == "caffenet_fc7"
    assert collection.splits is not None
    for split, parts in enumerate(collection.splits):
        for number, part in enumerate(PARTS):
            assert sorted(np.flatnonzero(parts == number)) == sorted(made.rows(split, part))


LAYOUTS: list[dict[str, Any]] = [
    {},
    {"turned": ("label_matrix", "feat7")},
    {"turned": ("tag_matrix",), "dense": True},
    {"dense": True, "numbers": True},
]


@pytest.mark.parametrize("version", ["5", "7.3"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_every_image_has_its_labels_tags_features_and_parts(paper: Paper, version: str, layout: dict[str, Any]) -> None:
    for name, value in layout.items():
        setattr(paper.made, name, value)
    write(paper.root, paper.made, version)
    check(paper, paper.prepare())


def test_what_was_mended_is_counted(paper: Paper) -> None:
    paper.made.tag_matrix[2, 5] = 3
    write(paper.root, paper.made)
    clean_up = paper.prepare().card["clean_up"]
    assert clean_up == {
        "rows": 130,
        "rows_without_labels": 20,
        "rows_without_tags": 1,
        "tags_without_a_name": 1,
        "tag_values_other_than_0_and_1": 1,
        "ids_twice_in_photo_ids": 0,
        "splits": 2,
        "rows_of_no_split": 20,
        "rows_of_splits_left_out": 0,
        "ids_twice_in_img_ids": 1,
        "rows_rejected": 0,
        "reasons": {},
    }


def test_published_protocol_from_files_to_results(paper: Paper, tmp_path: Path) -> None:
    write(paper.root, paper.made)
    metadata = tmp_path / "photosNUS.xml"
    pools = [f'<pool id="{topic}@N00" title="" url=""/>' for topic in paper.made.label_matrix.argmax(axis=1)]
    photos = [
        f'<photo id="{id_}"><owner nsid="1@N01"/><groups><set id="7" title=""/>{pool}</groups></photo>'
        for id_, pool in zip(paper.made.photo_ids[:100], pools, strict=False)
    ]
    metadata.write_text(f"<photos>{''.join(photos)}</photos>")
    collection = paper.prepare(metadata=metadata)
    check(paper, collection)
    assert collection.card["clean_up"]["rows_without_metadata"] == 10
    assert collection.owners.to_pylist() == ["1@N01"] * 100 + [None] * 10
    overrides = ("split_by=release", "split=1", "metadata=groups", "lr=0.01", "epochs=30", "h=32")
    results = train_on(paper.out, tmp_path, *overrides)
    tested = np.load(next((tmp_path / "logs").rglob("rows.npy")))
    assert sorted(tested) == sorted(paper.made.rows(1, "test"))
    for discard in (False, True):  # data=nuswide discards images without metadata, but not from splits that are given
        trained_on = split_collection(collection, SplitSettings(1, [], "release", False, discard)).rows["train"]
        assert trained_on.tolist() == sorted(paper.made.rows(1, "train"))
    assert results["test"]["mAP_L"] > 55  # an untrained model has about 36


def test_all_images_and_no_split(paper: Paper) -> None:
    paper.made.splits = []
    write(paper.root, paper.made)
    message = paper.error()
    assert message.startswith("root: ")
    assert "splits=" in message
    assert "all_images=true" in message
    collection = paper.prepare(all_images=True)
    assert len(collection) == 130
    assert collection.splits is None


def test_split_files_are_found_at_any_depth_or_named(paper: Paper) -> None:
    write(paper.root, paper.made)
    (paper.root / "splits").mkdir()
    (paper.root / SPLIT).rename(paper.root / "splits" / "s.mat")
    flat = {name: values[None] for name, values in paper.made.splits[0].items()}
    write_v5(paper.root / "splits" / "t.mat", flat)  # its variables in no struct
    write_v5(paper.root / "other.mat", {"x": np.ones((2, 2))})
    assert paper.prepare().card["splits"]["files"] == ["NUS_split10.mat", "splits/s.mat", "splits/t.mat"]
    paper.out = paper.folder / "named"
    collection = paper.prepare(splits=["splits/t.mat"], all_images=True)
    assert collection.splits is not None
    assert collection.splits.shape == (1, 130)
    assert (collection.splits[0, 110:] == -1).all()
    assert set(np.flatnonzero(collection.splits[0] == 0)) == set(paper.made.rows(0, "train"))


def test_images_without_sound_features_are_left_out_if_asked(paper: Paper) -> None:
    made = paper.made
    made.img_ids[made.img_ids.index(made.photo_ids[4])] = "5"
    for row, value in ((7, np.nan), (9, np.inf)):
        made.feat7[made.img_ids.index(made.photo_ids[row]), 3] = value
    write(paper.root, made)
    message = paper.error()
    assert message.startswith(f"root/{NUS}, row 5: ")
    assert made.photo_ids[4] in message
    assert "imgids.mat" in message
    collection = paper.prepare(on_error="skip")
    rows = [row for row in range(110) if row not in (4, 7, 9)]
    assert collection.ids.to_pylist() == [made.photo_ids[row] for row in rows]
    features = np.array([made.features(row) for row in rows])
    np.testing.assert_array_equal(collection.features.table, features.astype(np.float16))
    rejected = [json.loads(line) for line in (paper.out / "rejected.jsonl").read_text().splitlines()]
    places = [made.img_ids.index(made.photo_ids[row]) + 1 for row in (7, 9)]
    for entry, row, place in zip(rejected[1:], (8, 10), places, strict=True):
        assert entry["row"] == row
        assert f"image {place} of feat7_caffe_all.mat" in entry["reason"]
    assert collection.card["clean_up"]["rows_of_splits_left_out"] == 3


def split_value(name: str, place: int, value: float) -> Callable[[PaperRelease], None]:
    def change(made: PaperRelease) -> None:
        made.splits[0][name][place] = value

    return change


def shift_originals(made: PaperRelease) -> None:
    made.splits[0]["orig_ids"] += 20


def square(made: PaperRelease) -> None:
    made.tags += [f"more{number}" for number in range(130 - len(made.tags))]
    made.tag_matrix = np.eye(130)


def set_value(name: str, place: tuple[int, int], value: float) -> Callable[[PaperRelease], None]:
    def change(made: PaperRelease) -> None:
        getattr(made, name)[place] = value

    return change


def in_common(made: PaperRelease) -> None:
    made.splits[0]["test_id"][0] = made.splits[0]["train_id"][0]


WRONG_CONTENT: list[tuple[Callable[[PaperRelease], Any], dict[str, Any], str]] = [
    (lambda m: m.photo_ids.pop(), {}, "NUS_data.mat: |label_matrix|130 x 5|129"),
    (lambda m: m.tags.pop(), {}, "NUS_data.mat: |tag_matrix|130 x 36|35"),
    (square, {}, "NUS_data.mat: |tag_matrix|130 x 130"),
    (set_value("label_matrix", (0, 0), 2), {}, "NUS_data.mat: |label_matrix|0 and 1"),
    (set_value("label_matrix", (0, 0), -1), {}, "NUS_data.mat: |label_matrix|negative"),
    (set_value("tag_matrix", (0, 0), np.nan), {}, "NUS_data.mat: |tag_matrix|NaN"),
    (lambda m: m.labels.__setitem__(1, "animal"), {}, "NUS_data.mat: |NUS.labels|twice"),
    (lambda m: m.photo_ids.__setitem__(2, "12x"), {}, "NUS_data.mat: |3 of NUS.photo_ids|'12x'"),
    (lambda m: m.photo_ids.__setitem__(0, ""), {}, "NUS_data.mat: |1 of NUS.photo_ids|''"),
    (lambda m: m.img_ids.append("7"), {}, "feat7_caffe_all.mat: |feat7|[132, 16]|133"),
    (lambda m: setattr(m, "feat7", np.zeros((132, 65537), dtype=np.float32)), {}, "feat7_caffe_all.mat: |feat7|65537"),
    (lambda m: setattr(m, "feat7", np.zeros((132, 132))), {}, "feat7_caffe_all.mat: |feat7|[132, 132]"),
    (split_value("train_id", 0, 111), {}, f"{SPLIT}: |split.train_id|111|110"),
    (split_value("test_id", 0, 0), {}, f"{SPLIT}: |split.test_id| 0|110"),
    (split_value("orig_ids", 5, 131), {}, f"{SPLIT}: |split.orig_ids|131|130"),
    (split_value("orig_ids", 5, 5), {}, f"{SPLIT}: |split.orig_ids|twice"),
    (split_value("train_id", 0, 1.5), {}, f"{SPLIT}: |split.train_id|whole"),
    (split_value("test_id", 0, np.nan), {}, f"{SPLIT}: |split.test_id|whole"),
    (in_common, {}, f"{SPLIT}: |train_id|test_id|common"),
    (lambda m: m.splits[0].update(test_id=np.zeros(0)), {}, f"{SPLIT}: |split.test_id|empty"),
    (shift_originals, {}, f"{SPLIT}: |20 of its 110 images|orig_ids"),
    (lambda m: None, {"train_images": 85}, f"{SPLIT}: |train_id|train_images=85"),
    (lambda m: None, {"splits": ["none.mat"]}, "none.mat: |missing"),
    (lambda m: None, {"splits": [NUS]}, "NUS_data.mat: |train_id"),
    (lambda m: None, {"splits": []}, "splits: "),
    (lambda m: None, {"splits": [SPLIT, SPLIT]}, "splits: "),
    (lambda m: None, {"root": None}, "root: |root=DIR"),
    (lambda m: None, {"root": Path("no")}, "root: |NUS_data.mat"),
    (lambda m: None, {"train_images": 0}, "train_images: "),
    (lambda m: None, {"min_positives": "2"}, "min_positives: "),
    (lambda m: None, {"all_images": 1}, "all_images: "),
    (lambda m: None, {"on_error": "go"}, "on_error: "),
]  # fmt: skip


@pytest.mark.parametrize(("change", "options", "parts"), WRONG_CONTENT, ids=[parts for _, _, parts in WRONG_CONTENT])
def test_content_that_does_not_fit(
    paper: Paper, change: Callable[[PaperRelease], Any], options: dict[str, Any], parts: str
) -> None:
    change(paper.made)
    write(paper.root, paper.made)
    message = paper.error(**options)
    assert all(part in message for part in parts.split("|")), message


def test_h5py_is_asked_for(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    write(paper.root, paper.made)
    monkeypatch.setattr(paper_release, "find_spec", lambda name: None)
    assert "pip install h5py" in paper.error()


def rewritten(change: Callable[[h5py.File], Any], name: str = NUS) -> Callable[[Paper], None]:
    def damage(paper: Paper) -> None:
        with h5py.File(paper.root / name, "r+") as file:
            change(file)

    return damage


def replaced(name: str, make_new: Callable[[h5py.File], Any]) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        make_new(file)

    return change


def external_storage(file: h5py.File) -> None:
    file.create_dataset("NUS/labels", shape=(1, 4), dtype="u1", external=[("/etc/hostname", 0, 4)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(1, 4), dtype="u1")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", shape=(1, 4))
    file.create_virtual_dataset("NUS/labels", layout)


def absurd(file: h5py.File) -> None:
    file.create_dataset("NUS/labels", shape=(1 << 30, 1 << 20), dtype="f8", chunks=(64, 64), compression="gzip")


def cells_of(*contents: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        references = np.array(
            [[file.create_dataset(f"x{k}", data=c).ref] for k, c in enumerate(contents)], dtype=object
        )
        file.create_dataset("NUS/labels", data=references, dtype=h5py.ref_dtype)

    return change


def external_cell(file: h5py.File) -> None:
    entry = file.create_dataset("secret", shape=(4, 1), dtype="<u2", external=[("/etc/hostname", 0, 8)])
    file.create_dataset("NUS/labels", data=np.array([[entry.ref]], dtype=object), dtype=h5py.ref_dtype)


def empty_cell(file: h5py.File) -> None:
    file.create_dataset("NUS/labels", shape=(5, 1), dtype=h5py.ref_dtype)


def bad_indices(file: h5py.File) -> None:
    file["NUS/label_matrix/ir"][0] = 5000


def write_bytes(name: str, content: Callable[[bytes], bytes]) -> Callable[[Paper], None]:
    def damage(paper: Paper) -> None:
        path = paper.root / name
        path.write_bytes(content(path.read_bytes()))

    return damage


DAMAGES: list[tuple[Callable[[Paper], None], str]] = [
    (rewritten(replaced("NUS/labels", lambda f: f["NUS"].__setitem__("labels", h5py.ExternalLink("/etc/x.h5", "y")))), "labels|link"),
    (rewritten(replaced("NUS/labels", lambda f: f["NUS"].__setitem__("labels", h5py.SoftLink("/NUS/tags")))), "labels|link"),
    (rewritten(replaced("NUS/labels", external_storage)), "labels|another file"),
    (rewritten(replaced("NUS/labels", virtual)), "labels|another file"),
    (rewritten(replaced("NUS/labels", external_cell)), "labels|another file"),
    (rewritten(replaced("NUS/labels", absurd)), "labels|larger"),
    (rewritten(replaced("NUS/labels", empty_cell)), "labels|larger"),
    (rewritten(replaced("NUS/labels", lambda f: f["NUS"].create_group("labels"))), "NUS.labels|struct"),
    (rewritten(replaced("NUS/labels", lambda f: None)), "no NUS.labels|tag_matrix"),
    (rewritten(replaced("NUS/labels", cells_of(np.ones((1, 3))))), "NUS.labels|texts"),
    (rewritten(replaced("NUS/labels", cells_of(np.ones((2, 3), dtype="<u2")))), "NUS.labels|texts"),
    (rewritten(bad_indices), "NUS.label_matrix|indices"),
    (rewritten(lambda f: f["NUS/label_matrix"].attrs.__delitem__("MATLAB_sparse")), "NUS.label_matrix|struct"),
    (rewritten(lambda f: f["NUS/label_matrix"].attrs.__setitem__("MATLAB_sparse", np.uint64(1 << 50))), "NUS.label_matrix|130 photo ids"),
    (write_bytes(NUS, lambda raw: raw[:-3000]), "cannot be read"),
    (write_bytes(NUS, lambda raw: b""), "version 5"),
    (write_bytes(NUS, lambda raw: b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"\x0e\0\0\0\xff\xff\0\0"), "cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "parts"), DAMAGES, ids=[f"{k} {parts}" for k, (_, parts) in enumerate(DAMAGES)])
def test_files_that_are_refused(paper: Paper, damage: Callable[[Paper], None], parts: str) -> None:
    write(paper.root, paper.made, "7.3")
    damage(paper)
    message = paper.error()
    assert message.startswith(f"root/{NUS}: ")
    assert all(part in message for part in parts.split("|")), message


V5_VARIABLES: list[tuple[dict[str, Any], str]] = [
    ({"split": np.zeros((1, 2), dtype=[("train_id", object)])}, "split|2 structs"),
    ({"split": {"train_id": np.ones((1, 3))}}, "no split.test_id"),
    ({"split": np.ones((1, 3))}, "no split.train_id"),
    ({"split": {name: ["a"] for name in ("train_id", "test_id", "orig_ids")}}, "split.train_id|numbers"),
    ({"split": {name: [np.ones(2)] for name in ("train_id", "test_id", "orig_ids")}}, "split.train_id|texts"),
    ({"split": {name: np.ones((1, 2), dtype=complex) for name in ("train_id", "test_id", "orig_ids")}}, "split.train_id|numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("variables", "parts"), V5_VARIABLES, ids=[parts for _, parts in V5_VARIABLES])
def test_variables_of_the_wrong_kind(paper: Paper, variables: dict[str, Any], parts: str) -> None:
    write(paper.root, paper.made)
    write_v5(paper.root / SPLIT, variables)
    message = paper.error()
    assert message.startswith(f"root/{SPLIT}: ")
    assert all(part in message for part in parts.split("|")), message


def test_rows_are_read_in_any_order_and_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab_hdf5, "_BLOCK_BYTES", 40 * DIM * 4)
    table = np.random.default_rng(0).normal(size=(300, DIM)).astype(np.float32)
    rows = np.array([299, 0, 7, 7, 150, 151, 152, 3, 40, 39])
    for name, stored in (("rows", table.T), ("columns", table)):
        write_hdf5(tmp_path / f"{name}.mat", {"feat7": stored})
        found, blocks = np.full((len(rows), DIM), np.nan, dtype=np.float32), 0
        for places, block in matlab_hdf5.Table(tmp_path / f"{name}.mat", "feat7", 300).blocks(rows):
            found[places] = block
            blocks += 1
        np.testing.assert_array_equal(found, table[rows])
        assert blocks > 1
