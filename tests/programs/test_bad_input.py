"""Broken collections, settings and checkpoints: each gives one sentence that names the place and the cure.

Broken records, images and feature files given to prepare.py are in tests/sources.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from conftest import checked, settings, write_old_checkpoint
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.jobs.job import finish
from love_thy_neighbors.runs.model_folder import load_model
from love_thy_neighbors.runs.settings import Settings

STRINGS = pa.list_(pa.string())


def change_card(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def broken(folder: Path) -> None:
        card = json.loads((folder / "card.json").read_text())
        change(card)
        (folder / "card.json").write_text(json.dumps(card))

    return broken


def change_table(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    def broken(folder: Path) -> None:
        pq.write_table(change(pq.read_table(folder / "images.parquet")), folder / "images.parquet")

    return broken


def change_features(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def broken(folder: Path) -> None:
        np.save(folder / "features" / "made_up.npy", change(np.load(folder / "features" / "made_up.npy")))

    return broken


def replace(
    column: str, values: Callable[[list[Any]], list[Any]], kind: pa.DataType = STRINGS
) -> Callable[[Path], None]:
    def changed(table: pa.Table) -> pa.Table:
        array = pa.array(values(table[column].to_pylist()), kind)
        return table.set_column(table.schema.get_field_index(column), column, array)

    return change_table(changed)


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def truncate(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-100]) and None


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def put(table: np.ndarray, row: int, value: float) -> np.ndarray:
    table[row, 3] = value
    return table


def not_utf_8(rows: int) -> pa.Array:
    """Lists of one string each, the last of which Parquet stores although it is no text."""
    values = b"tag" * (rows - 1) + b"\xff\xfe\xfd"
    ends = pa.py_buffer(np.arange(0, 3 * rows + 1, 3, dtype=np.int32))
    strings = pa.Array.from_buffers(pa.string(), rows, [None, ends, pa.py_buffer(values)])
    return pa.ListArray.from_arrays(pa.array(range(rows + 1), pa.int32()), strings)


BROKEN_COLLECTIONS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no folder": (shutil.rmtree, "data.dir: {folder} is not a folder; make a collection with prepare.py"),
    "no card": (remove("card.json"), "{folder}/card.json is missing; a collection is what prepare.py writes"),
    "card is not JSON": (write("card.json", b"{"), "{folder}/card.json: not valid JSON"),
    "card is not UTF-8": (write("card.json", b'{"a": "\xff"}'), "{folder}/card.json: not valid JSON"),
    "card is a list": (write("card.json", b"[]"), "{folder}/card.json: must hold one JSON object"),
    "card without a key": (change_card(lambda card: card.pop("labels")), "key 'labels' is missing or not of type dict"),
    "card of another format": (change_card(lambda card: card.update(format=2)), "format 2 is not 1, which this version reads"),
    "card with double labels": (
        change_card(lambda card: card["labels"].update(names=["a", "a"])),
        "labels.names must be a list of distinct strings",
    ),
    "card disagrees on images": (
        change_card(lambda card: card.update(images=7)),
        "{folder}/images.parquet: 240 rows, but card.json says 7 images",
    ),
    "card disagrees on labels": (
        change_card(lambda card: card["labels"]["names"].remove("label2")),
        "has the label 'label2', which card.json does not list in labels.names",
    ),
    "card disagrees on tags": (
        change_card(lambda card: card["metadata"]["tags"].update(values=3)),
        "metadata.tags.values is 3, but images.parquet has 30 distinct tags",
    ),
    "card lacks a metadata type": (
        change_card(lambda card: card["metadata"].pop("sets")),
        "images.parquet has 'sets' but card.json does not",
    ),
    "table lacks a metadata type": (
        change_card(lambda card: card["metadata"].update(albums={"values": 3})),
        "card.json has 'albums' but images.parquet does not",
    ),
    "table was changed": (
        change_table(lambda table: table.drop_columns(["groups"])),
        "images.parquet: has been changed",
    ),
    "card disagrees on feature length": (
        change_card(lambda card: card["features"]["made_up"].update(dim=4096)),
        "features.made_up.dim is 4096, but the table has 16",
    ),
    "card disagrees on feature type": (
        change_card(lambda card: card["features"]["made_up"].update(dtype="int8")),
        "features.made_up.dtype is int8, but the table has float16",
    ),
    "scale is zero": (
        change_card(lambda card: card["features"]["made_up"].update(scale=0)),
        "features.made_up.scale must be a positive number, not 0",
    ),
    "feature table outside the folder": (
        change_card(lambda card: card.update(features={"../x": {}})),
        "features.../x is not a plain name",
    ),
    "no table": (remove("images.parquet"), "{folder}/images.parquet is missing; run prepare.py again"),
    "table is not Parquet": (write("images.parquet", b"PAR1"), "{folder}/images.parquet: not a readable Parquet file"),
    "table is truncated": (truncate("images.parquet"), "{folder}/images.parquet: not a readable Parquet file"),
    "unknown column": (
        change_table(lambda table: table.append_column("colour", table["id"])),
        "column 'colour' is ",
    ),
    "no ids": (change_table(lambda table: table.drop_columns(["id"])), "column 'id' is missing"),
    "ids are numbers": (replace("id", lambda ids: list(range(len(ids))), pa.int64()), "column 'id' is int64, not string"),
    "an id is null": (replace("id", lambda ids: [*ids[:5], None, *ids[6:]], pa.string()), "row 5 has no value in column 'id'"),
    "tags are strings": (replace("tags", lambda rows: ["a"] * len(rows), pa.string()), "column 'tags' is string, not list<string>"),
    "tags are null": (replace("tags", lambda rows: [*rows[:9], None, *rows[10:]]), "row 9 has no value in column 'tags'"),
    "a tag is null": (replace("tags", lambda rows: [*rows[:9], ["a", None], *rows[10:]]), "row 9 has a null inside 'tags'"),
    "a tag is not UTF-8": (replace("tags", lambda rows: not_utf_8(len(rows))), "Invalid UTF8 sequence at string index 239); run prepare.py again."),
    "no features": (remove("features/made_up.npy"), "{folder}/features/made_up.npy is missing"),
    "features are truncated": (truncate("features/made_up.npy"), "made_up.npy: truncated or not a plain .npy array"),
    "features are not .npy": (write("features/made_up.npy", b"hello"), "made_up.npy: truncated or not a plain .npy array"),
    "features are pickled": (
        lambda folder: np.save(folder / "features" / "made_up.npy", np.array([{}]), allow_pickle=True),
        "made_up.npy: truncated or not a plain .npy array",
    ),
    "features are float64": (
        change_features(lambda table: table.astype(np.float64)),
        "float64 [240, 16], not a float16, float32 or int8 table [N, d]",
    ),
    "features are flat": (change_features(np.ravel), "float16 [3840], not a float16, float32 or int8 table [N, d]"),
    "a feature row is missing": (change_features(lambda table: table[1:]), "made_up.npy: 239 rows, but images.parquet has 240"),
    "a feature is NaN": (change_features(lambda table: put(table, 17, np.nan)), "made_up.npy: row 17 holds NaN or infinity"),
    "labels were changed": (
        replace("labels", lambda rows: rows[::-1]),
        "images.parquet: has been changed, its hash is not images_sha256 of {folder}/card.json",
    ),
    "a feature was changed": (
        change_features(lambda table: put(table, 17, 0.5)),
        "made_up.npy: has been changed, its hash is not features.made_up.sha256 of {folder}/card.json",
    ),
    "a feature is infinite": (change_features(lambda table: put(table, 239, -np.inf)), "row 239 holds NaN or infinity"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_COLLECTIONS)
def test_broken_collections(name: str, made_up: Path, tmp_path: Path) -> None:
    breaks, message = BROKEN_COLLECTIONS[name]
    folder = tmp_path / "broken"
    shutil.copytree(made_up, folder)
    breaks(folder)
    with pytest.raises(UserError) as error:
        load_collection(folder)
    assert message.format(folder=folder) in str(error.value)
    assert "\n" not in str(error.value)


BROKEN_SETTINGS = {
    ("m=7",): "m=7 is larger than M=6",
    ("m=0",): "m=0: m must be a whole number, 1 or more",
    ("M=0",): "M=0: M must be a whole number, 1 or more",
    ("m=2.5",): "m=2.5: m must be a whole number, 1 or more",
    ("m=many",): "m=many: m must be a whole number, 1 or more",
    ("m=true",): "m=true: m must be a whole number, 1 or more",
    ("tau=0",): "tau=0: tau must be a whole number, 1 or more",
    ("split=-1",): "split=-1: split must be a whole number, 0 or more",
    ("seed=null",): "seed=null: seed must be a whole number, 0 or more",
    ("pool=test",): "pool=test: pool must be split or all",
    ("split_by=album",): "split_by=album: split_by must be image or set or owner or time or column or release",
    ("lr=0",): "lr=0: lr must be a number, more than 0",
    ("lr=.nan",): "lr must be a number, more than 0",
    ("l2=-1",): "l2=-1: l2 must be a number, 0 or more",
    ("dropout=1",): "dropout=1: dropout must be a number, 0 or more and less than 1",
    ("epochs=0",): "epochs=0: epochs must be a whole number, 1 or more",
    ("batch_size=0",): "batch_size=0: batch_size must be a whole number, 1 or more",
    ("keep_unlabelled=maybe",): "keep_unlabelled=maybe: keep_unlabelled must be true or false",
    ("neighborhoods.train=some",): "neighborhoods.train must be exact or a whole number, 1 or more",
    ("neighborhoods.test=0",): "neighborhoods.test must be exact or a whole number, 1 or more",
    ("neighborhoods.fill=zero",): "neighborhoods.fill must be none or random",
    ("resume=true", "overwrite=true"): "resume=true and overwrite=true contradict each other",
    ("ckpt_path=/nowhere/last.ckpt",): "ckpt_path=/nowhere/last.ckpt: there is no such file",
    ("data.split_sizes=0.5",): "data.split_sizes must be a list: training, validation, test",
    ("data=collection",): "data.dir must be given: data=FOLDER",
    ("data.dir=null",): "data.dir=null: data.dir must be given: data=FOLDER",
    ("data.dir=2019",): "data.dir: 2019 is not a folder",
    ("ckpt_path=3",): "ckpt_path=3: there is no such file",
    ("neighborhoods=exact",): "neighborhoods=exact: neighborhoods holds several keys, neighborhoods.train among them",
    ("model=relational", "model.arguments.members=0"): "members a whole number, 1 or more",
    ("model=relational", "model.arguments.views=-1"): "views from 0 to 1",
    ("model.arguments=null",): "model.arguments=null: model.arguments must be keys and values",
    ("trainer.limit_val_batches=0",): "trainer.limit_val_batches must be a number, more than 0",
    ("neighborhoods.drop=1",): "neighborhoods.drop=1: neighborhoods.drop must be a number, 0 or more and less than 1",
    ("data.dir=/nowhere",): "data.dir: /nowhere is not a folder",
}  # fmt: skip


@pytest.mark.parametrize("overrides", BROKEN_SETTINGS, ids=" ".join)
def test_broken_settings(overrides: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as error:
        checked(settings(*overrides))
    assert BROKEN_SETTINGS[overrides] in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("metadata=sets",), "metadata=sets: the collection in {folder} has no sets; it has tags."),
        (("test_metadata=groups",), "test_metadata=groups: the collection in {folder} has no groups; it has tags."),
        (("model=visual_only", "split_by=set"), "split_by=set: the collection in {folder} has no sets; it has tags."),
    ],
)
def test_a_metadata_type_that_the_collection_lacks(
    overrides: tuple[str, ...], message: str, made_up: Path, tmp_path: Path
) -> None:
    card = json.loads((made_up / "card.json").read_text())
    del card["metadata"]["sets"], card["metadata"]["groups"]
    (tmp_path / "card.json").write_text(json.dumps(card))  # the card alone decides: nothing else is there to be read
    with pytest.raises(UserError, match=re.escape(message.format(folder=tmp_path))):
        checked(settings("data=collection", f"data.dir={tmp_path}", *overrides))


@pytest.fixture(scope="module")
def finished(made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished job of one epoch, with h=8."""
    folder = tmp_path_factory.mktemp("finished")
    finish(quick(made_up, folder), folder, overwrite=False, resume=False, wait=False)
    return folder


def quick(collection: Path, folder: Path, *overrides: str) -> Settings:
    common = ("data=collection", f"data.dir={collection}", f"cache={folder}/cache", "h=8", "epochs=1")
    return checked(settings(*common, "trainer.enable_progress_bar=false", *overrides))


class Evil:
    """Unpickling it would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("/tmp/love-thy-neighbors-was-here"),))


BROKEN_CHECKPOINTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "empty": (lambda path: path.write_bytes(b"") and None, "damaged, or not a plain checkpoint"),
    "text": (lambda path: path.write_text("hello") and None, "damaged, or not a plain checkpoint"),
    "truncated": (
        lambda path: path.write_bytes(path.read_bytes()[:2000]) and None,
        "damaged, or not a plain checkpoint",
    ),
    "code": (lambda path: torch.save({"name": Evil()}, path), "damaged, or not a plain checkpoint"),
    "a tensor": (lambda path: torch.save(torch.zeros(3), path), "holds a Tensor, not a checkpoint"),
    "another dictionary": (lambda path: torch.save({"weights": {}}, path), "not "),
}


@pytest.mark.parametrize("name", BROKEN_CHECKPOINTS)
def test_broken_checkpoints(name: str, made_up: Path, finished: Path, tmp_path: Path) -> None:
    breaks, message = BROKEN_CHECKPOINTS[name]
    for kind, load in (
        ("model.ckpt", load_model),
        ("last.ckpt", lambda path: resume_from(path, made_up, tmp_path)),
    ):
        if kind == "model.ckpt":
            write_old_checkpoint(finished, tmp_path / kind)
        else:
            shutil.copy(finished / kind, tmp_path / kind)
        breaks(tmp_path / kind)
        with pytest.raises(UserError, match=f"{re.escape(str(tmp_path / kind))}: {message}"):
            load(tmp_path / kind)
    assert not Path("/tmp/love-thy-neighbors-was-here").exists()


def resume_from(path: Path, collection: Path, folder: Path, *overrides: str) -> None:
    config = quick(collection, folder, f"ckpt_path={path}", *overrides)
    finish(config, folder / "resumed", overwrite=False, resume=False, wait=False)


def test_a_checkpoint_of_another_model(made_up: Path, finished: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model.W_x.weight is \(8, 16\) there and \(9, 16\) in this model"):
        resume_from(finished / "last.ckpt", made_up, tmp_path, "h=9")
    with pytest.raises(UserError, match="not the last.ckpt of a run, which holds more than a model"):
        resume_from(write_old_checkpoint(finished, tmp_path / "model.ckpt"), made_up, tmp_path)


def test_a_checkpoint_of_other_images_or_with_more_epochs(made_up: Path, finished: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="that run's settings differ in split; give"):
        resume_from(finished / "last.ckpt", made_up, tmp_path, "split=1", "epochs=2")
    with pytest.raises(
        UserError, match="that run's settings differ in metadata, pool, test_metadata, vocabulary; give"
    ):
        resume_from(finished / "last.ckpt", made_up, tmp_path, "pool=all", "metadata=sets", "epochs=2")
    resume_from(finished / "last.ckpt", made_up, tmp_path, "epochs=2")
    with pytest.raises(UserError, match="has 2 epochs already; give epochs=2 or more"):
        finish(
            quick(made_up, tmp_path, f"ckpt_path={tmp_path}/resumed/last.ckpt"),
            tmp_path / "again",
            overwrite=False,
            resume=False,
            wait=False,
        )


def test_too_few_batches_for_a_limit(made_up: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"trainer: .*0.1 \* 3 < 1"):
        finish(
            quick(made_up, tmp_path, "trainer.limit_train_batches=0.1"),
            tmp_path,
            overwrite=False,
            resume=False,
            wait=False,
        )


def test_a_model_whose_weights_do_not_fit(finished: Path, tmp_path: Path) -> None:
    write_old_checkpoint(finished, tmp_path / "model.ckpt", arguments={"dim": 16, "labels": 5, "hidden": 4})
    with pytest.raises(UserError, match="weights do not fit the model"):
        load_model(tmp_path / "model.ckpt")


def test_a_device_that_is_not_there(made_up: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match="trainer: .*CUDA"):
        finish(
            quick(made_up, tmp_path, "trainer=gpu", "trainer.accelerator=cuda"),
            tmp_path,
            overwrite=False,
            resume=False,
            wait=False,
        )
