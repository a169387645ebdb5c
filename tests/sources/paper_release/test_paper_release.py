"""sources/paper_release* and sources/matlab*: the paper's files, in either version, and what is refused of them."""

import json
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

from conftest import train_on
from fixtures.paper_release import DIM, TRAIN, PaperRelease, made_up, write, write_hdf5, write_v5
from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources import paper_release
from love_thy_neighbors.sources.paper_release import Options, read
from love_thy_neighbors.sources.paper_release import matlab_files as matlab
from love_thy_neighbors.sources.paper_release.matlab_worker import served
from love_thy_neighbors.sources.prepare import make
from love_thy_neighbors.splits import PARTS
from love_thy_neighbors.training.data import split_collection

NUS, SPLIT, FEATURES = "NUS_data.mat", "NUS_split2.mat", "feat_alexnet/feat7_caffe_all.mat"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in this process, which is quicker, where nothing in them makes the libraries crash."""

    def replies(worker: object, request: dict[str, Any], patience: float) -> Iterator[dict[str, Any]]:
        done: list[int] = []
        last = served(request, done.append)
        yield from ({"done": count} for count in done)
        yield json.loads(json.dumps(last))

    class Process:
        def __enter__(self) -> "Process":
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def kill(self) -> None:
            pass

    monkeypatch.setattr(matlab, "replies", replies)
    monkeypatch.setattr(matlab.subprocess, "Popen", lambda *arguments, **options: Process())


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


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("version", ["5", "7.3"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_every_image_has_its_labels_tags_features_and_parts(paper: Paper, version: str, layout: dict[str, Any]) -> None:
    for name, value in layout.items():
        setattr(paper.made, name, value)
    write(paper.root, paper.made, version)
    check(paper, paper.prepare())


@pytest.mark.usefixtures("here")
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
        trained_on = split_collection(collection, 1, [], "release", False, discard).rows["train"]
        assert trained_on.tolist() == sorted(paper.made.rows(1, "train"))
    assert results["test"]["mAP_L"] > 55  # an untrained model has about 36


@pytest.mark.usefixtures("here")
def test_all_images_and_no_split(paper: Paper) -> None:
    paper.made.splits = []
    write(paper.root, paper.made)
    assert paper.error() == (
        "root: no .mat file below root holds a split (train_id, test_id, orig_ids); name the files with splits=, or keep "
        "every image with all_images=true."
    )
    collection = paper.prepare(all_images=True)
    assert len(collection) == 130
    assert collection.splits is None


@pytest.mark.usefixtures("here")
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


@pytest.mark.usefixtures("here")
def test_images_without_sound_features_are_left_out_if_asked(paper: Paper) -> None:
    made = paper.made
    made.img_ids[made.img_ids.index(made.photo_ids[4])] = "5"
    for row, value in ((7, np.nan), (9, 1e6)):
        made.feat7[made.img_ids.index(made.photo_ids[row]), 3] = value
    write(paper.root, made)
    assert paper.error() == (
        f"root/{NUS}, row 5: has the photo id '{made.photo_ids[4]}', which is not in img_ids of imgids.mat; correct it, "
        "or leave bad rows out with on_error=skip."
    )
    collection = paper.prepare(on_error="skip")
    rows = [row for row in range(110) if row not in (4, 7, 9)]
    assert collection.ids.to_pylist() == [made.photo_ids[row] for row in rows]
    features = np.array([made.features(row) for row in rows])
    np.testing.assert_array_equal(collection.features.table, features.astype(np.float16))
    rejected = [json.loads(line) for line in (paper.out / "rejected.jsonl").read_text().splitlines()]
    places = [made.img_ids.index(made.photo_ids[row]) + 1 for row in (7, 9)]
    assert [(entry["row"], entry["reason"]) for entry in rejected[1:]] == [
        (8, f"has features that cannot be used (image {places[0]} of feat7_caffe_all.mat holds NaN or infinity)"),
        (10, f"has features that cannot be used (image {places[1]} of feat7_caffe_all.mat holds a value beyond the range of float16 (65504))"),
    ]  # fmt: skip
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


AGAIN = "get this file of the release again."
WRONG_CONTENT: list[tuple[Callable[[PaperRelease], Any], dict[str, Any], str]] = [
    (lambda m: m.photo_ids.pop(), {}, f"root/{NUS}: NUS.label_matrix is 130 x 5, but there are 129 photo ids and 5 names, which do not fit; {AGAIN}"),
    (lambda m: m.tags.pop(), {}, f"root/{NUS}: NUS.tag_matrix is 130 x 36, but there are 130 photo ids and 35 names, which do not fit; {AGAIN}"),
    (square, {}, f"root/{NUS}: NUS.tag_matrix is 130 x 130, but there are 130 photo ids and 130 names, which of its sides are images cannot be told; {AGAIN}"),
    (set_value("label_matrix", (0, 0), 2), {}, f"root/{NUS}: NUS.label_matrix holds 1 values other than 0 and 1; {AGAIN}"),
    (set_value("label_matrix", (0, 0), -1), {}, f"root/{NUS}: NUS.label_matrix holds negative values or NaN; {AGAIN}"),
    (set_value("tag_matrix", (0, 0), np.nan), {}, f"root/{NUS}: NUS.tag_matrix holds negative values or NaN; {AGAIN}"),
    (lambda m: m.labels.__setitem__(1, "animal"), {}, f"root/{NUS}: NUS.labels names a label twice; {AGAIN}"),
    (lambda m: m.photo_ids.__setitem__(2, "12x"), {}, f"root/{NUS}: entry 3 of NUS.photo_ids is '12x', not a Flickr id; {AGAIN}"),
    (lambda m: m.photo_ids.__setitem__(0, ""), {}, f"root/{NUS}: entry 1 of NUS.photo_ids is '', not a Flickr id; {AGAIN}"),
    (lambda m: m.img_ids.append("7"), {}, "root/feat_alexnet/feat7_caffe_all.mat: holds feat7 of [132, 16], but there are 133 image ids; get this file again."),
    (lambda m: setattr(m, "feat7", np.zeros((132, 65537), dtype=np.float32)), {}, "root/feat_alexnet/feat7_caffe_all.mat: holds feat7 with 65537 numbers an image; 1 to 65536 are read; get this file again."),
    (lambda m: setattr(m, "feat7", np.zeros((132, 132))), {}, "root/feat_alexnet/feat7_caffe_all.mat: holds feat7 of [132, 132], a square: whether its images are rows or columns cannot be told; get this file again."),
    (split_value("train_id", 0, 111), {}, f"root/{SPLIT}: split.train_id holds 111, but it counts from 1 in the 110 images of orig_ids; {AGAIN}"),
    (split_value("test_id", 0, 0), {}, f"root/{SPLIT}: split.test_id holds 0, but it counts from 1 in the 110 images of orig_ids; {AGAIN}"),
    (split_value("orig_ids", 5, 131), {}, f"root/{SPLIT}: split.orig_ids holds 131, but it counts from 1 in the 130 rows of NUS_data.mat; {AGAIN}"),
    (split_value("orig_ids", 5, 5), {}, f"root/{SPLIT}: split.orig_ids holds a number twice; {AGAIN}"),
    (split_value("train_id", 0, 1.5), {}, f"root/{SPLIT}: split.train_id holds something other than whole numbers; {AGAIN}"),
    (split_value("test_id", 0, np.nan), {}, f"root/{SPLIT}: split.test_id holds something other than whole numbers; {AGAIN}"),
    (in_common, {}, f"root/{SPLIT}: train_id and test_id have images in common; {AGAIN}"),
    (lambda m: m.splits[0].update(test_id=np.zeros(0)), {}, f"root/{SPLIT}: split.test_id is empty; {AGAIN}"),
    (shift_originals, {}, f"root/{SPLIT}: 20 of its 110 images have no label in NUS_data.mat, but the paper has left such images out, so orig_ids does not count its rows; give the split files that belong to it."),
    (lambda m: None, {"train_images": 85}, f"root/{SPLIT}: train_id has 85 images, none left for validation after train_images=85; give a smaller number, or the paper's file."),
    (lambda m: None, {"splits": ["none.mat"]}, "root/none.mat is missing; get this file again."),
    (lambda m: None, {"splits": [NUS]}, f"root/{NUS}: has no variable train_id; get this file again."),
    (lambda m: None, {"splits": []}, "splits: must be a list of different files (splits=[split1.mat,split2.mat])."),
    (lambda m: None, {"splits": [SPLIT, SPLIT]}, "splits: must be a list of different files (splits=[split1.mat,split2.mat])."),
    (lambda m: None, {"root": None}, "root: give the folder that NUS_data.mat is in (root=DIR)."),
    (lambda m: None, {"root": Path("no")}, "root: no has no NUS_data.mat; give the folder of the paper's release."),
    (lambda m: None, {"train_images": 0}, "train_images: must be a whole number of 1 or more, not 0."),
    (lambda m: None, {"min_positives": "2"}, "min_positives: must be a whole number of 1 or more, not 2."),
    (lambda m: None, {"all_images": 1}, "all_images: must be true or false, not 1."),
    (lambda m: None, {"on_error": "go"}, "on_error: 'go' is not known; use stop or skip."),
]  # fmt: skip


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("change", "options", "message"), WRONG_CONTENT, ids=[m[:80] for _, _, m in WRONG_CONTENT])
def test_content_that_does_not_fit(
    paper: Paper, change: Callable[[PaperRelease], Any], options: dict[str, Any], message: str
) -> None:
    change(paper.made)
    write(paper.root, paper.made)
    assert paper.error(**options) == message


def test_h5py_is_asked_for(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    write(paper.root, paper.made)
    monkeypatch.setattr(paper_release, "find_spec", lambda name: None)
    assert paper.error() == "source=paper_release: h5py is missing, which reads these files; pip install h5py."


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
    (rewritten(replaced("NUS/labels", lambda f: f["NUS"].__setitem__("labels", h5py.ExternalLink("/etc/x.h5", "y")))), "holds labels as a link to somewhere else, which is not followed"),
    (rewritten(replaced("NUS/labels", lambda f: f["NUS"].__setitem__("labels", h5py.SoftLink("/NUS/tags")))), "holds labels as a link to somewhere else, which is not followed"),
    (rewritten(replaced("NUS/labels", external_storage)), "holds labels, whose content lies in another file, which is not read"),
    (rewritten(replaced("NUS/labels", virtual)), "holds labels, whose content lies in another file, which is not read"),
    (rewritten(replaced("NUS/labels", external_cell)), "holds NUS.labels, whose content lies in another file, which is not read"),
    (rewritten(replaced("NUS/labels", absurd)), "holds labels, which claims to be larger than what is stored of it"),
    (rewritten(replaced("NUS/labels", empty_cell)), "holds labels, which claims to be larger than what is stored of it"),
    (rewritten(replaced("NUS/labels", lambda f: f["NUS"].create_group("labels"))), "holds NUS.labels as a struct, not as numbers or texts"),
    (rewritten(replaced("NUS/labels", lambda f: None)), "has no NUS.labels (there: label_matrix, photo_ids, tag_matrix, tags)"),
    (rewritten(replaced("NUS/labels", cells_of(np.ones((1, 3))))), "holds NUS.labels, a cell array with something other than texts in it"),
    (rewritten(replaced("NUS/labels", cells_of(np.ones((2, 3), dtype="<u2")))), "holds NUS.labels, a cell array with something other than rows of characters in it"),
    (rewritten(bad_indices), "holds a damaged array (indices must be < 130)"),
    (rewritten(lambda f: f["NUS/label_matrix"].attrs.__delitem__("MATLAB_sparse")), "holds NUS.label_matrix as a struct, not as numbers or texts"),
    (rewritten(lambda f: f["NUS/label_matrix"].attrs.__setitem__("MATLAB_sparse", np.uint64(1 << 50))), "holds NUS.label_matrix, a sparse matrix of impossible size"),
    (write_bytes(NUS, lambda raw: raw[:-3000]), "cannot be read (OSError: Unable to synchronously open file (truncated file:"),
    (write_bytes(NUS, lambda raw: b""), "is not a MATLAB file of version 5 or later"),
    (write_bytes(NUS, lambda raw: b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"\x0e\0\0\0\xff\xff\0\0"), "cannot be read ("),
]  # fmt: skip


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("damage", "reason"), DAMAGES, ids=[f"{k} {reason[:60]}" for k, (_, reason) in enumerate(DAMAGES)]
)
def test_files_that_are_refused(paper: Paper, damage: Callable[[Paper], None], reason: str) -> None:
    write(paper.root, paper.made, "7.3")
    damage(paper)
    message = paper.error()
    assert message.startswith(f"root/{NUS}: {reason}")
    assert message.endswith("; get this file again.")


V5_VARIABLES: list[tuple[dict[str, Any], str]] = [
    ({"split": np.zeros((1, 2), dtype=[("train_id", object)])}, "holds split as a struct array [1, 2], not as one struct"),
    ({"split": {"train_id": np.ones((1, 3))}}, "has no split.test_id (fields of split: train_id)"),
    ({"split": np.ones((1, 3))}, "has no split.train_id (fields of split: none)"),
    ({"split": {name: ["a"] for name in ("train_id", "test_id", "orig_ids")}}, "split.train_id is not one row or column of numbers"),
    ({"split": {name: [np.ones(2)] for name in ("train_id", "test_id", "orig_ids")}}, "holds split.train_id, a cell array with something other than texts in it"),
    ({"split": {name: np.ones((1, 2), dtype=complex) for name in ("train_id", "test_id", "orig_ids")}}, "holds split.train_id, which is neither numbers nor a cell array of texts"),
]  # fmt: skip


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("variables", "reason"), V5_VARIABLES, ids=[reason for _, reason in V5_VARIABLES])
def test_variables_of_the_wrong_kind(paper: Paper, variables: dict[str, Any], reason: str) -> None:
    write(paper.root, paper.made)
    write_v5(paper.root / SPLIT, variables)
    assert paper.error().startswith(f"root/{SPLIT}: {reason}; get this file")


def test_a_file_that_makes_its_reader_crash_hang_or_grow(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    write(paper.root, paper.made)
    programs = {
        "makes its reader crash (SIGSEGV)": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "makes its reader crash (status 3)": "raise SystemExit(3)",
        "has kept its reader busy for 1 seconds without a result": "import time; time.sleep(60)",
    }
    monkeypatch.setattr(matlab, "_PATIENCE", 1.0)
    for reason, program in programs.items():
        monkeypatch.setattr(matlab, "_WORKER", (matlab.sys.executable, "-c", program))
        assert paper.error() == f"root/NUS_split10.mat: {reason}; get this file again."


def test_the_process_that_reads_has_bounded_memory_and_ends(paper: Paper) -> None:
    write(paper.root, paper.made)
    cells = np.empty((1, 12_345), dtype=object)
    cells[:] = [[np.zeros((0, 0))] * 12_345]
    scipy.io.savemat(paper.root / "bomb.mat", {"split": {"train_id": cells}})
    raw = (paper.root / "bomb.mat").read_bytes()
    sizes = struct.pack("<ii", 1, 12_345), struct.pack("<ii", 1, 1 << 30)
    (paper.root / "bomb.mat").write_bytes(raw.replace(*sizes))  # a billion cells, 8 GB of references
    with matlab.matlab_files(paper.folder / "passing") as files:
        with pytest.raises(UserError, match=r"bomb\.mat: needs more memory to be read than its size explains; get"):
            files.read(paper.root / "bomb.mat", ["split.train_id"])
        assert files.names(paper.root / SPLIT) == ["split"]
        worker = files.worker
    assert isinstance(worker, subprocess.Popen)
    assert worker.poll() is not None


@pytest.mark.usefixtures("here")
def test_rows_are_copied_in_any_order_and_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("love_thy_neighbors.sources.paper_release.matlab_rows._BLOCK_BYTES", 40 * DIM * 4)
    table = np.random.default_rng(0).normal(size=(300, DIM)).astype(np.float32)
    rows = np.array([299, 0, 7, 7, 150, 151, 152, 3, 40, 39])
    for name, stored in (("rows", table.T), ("columns", table)):
        write_hdf5(tmp_path / f"{name}.mat", {"feat7": stored})
        done: list[int] = []
        with matlab.matlab_files(tmp_path / "passing") as files:
            out = tmp_path / f"{name}.npy"
            copied = files.copy_rows(tmp_path / f"{name}.mat", "feat7", 300, rows, out, done.append)
        np.testing.assert_array_equal(np.load(out), table[rows].astype(np.float16))
        assert not copied.faults.any()
        assert sum(done) == len(rows)
        assert len(done) > 1
