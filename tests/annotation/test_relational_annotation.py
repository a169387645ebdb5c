"""annotate.py with a relational model: a part and neighbours for each metadata type, and types that are missing."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import checked, made_up_table, settings, write_made_up
from love_thy_neighbors import Annotator
from love_thy_neighbors.annotation.annotating import remove_unfinished
from love_thy_neighbors.annotation.files import read_annotation
from love_thy_neighbors.decision_page.page import write_page
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.jobs.job import finish

pytestmark = pytest.mark.xdist_group("relational annotator")
TYPES = ["tags", "sets", "groups"]


@pytest.fixture(scope="module")
def run(made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("trained")
    how = ("model=relational", "M=5", "epochs=8", "h=8", "baseline=null", "lr=0.01")
    finish(
        checked(settings(*how, f"data={made_up}", f"cache={place / 'cache'}", f"logs={place}")),
        place / "run",
        overwrite=False,
        resume=False,
        wait=True,
    )
    return place / "run"


def new_photos(folder: Path, types: list[str]) -> Path:
    """Photos without labels that have these metadata types only; photo 3 has no metadata at all."""
    table, features = made_up_table(images=40, seed=7)
    rows = table.to_pylist()
    for number, row in enumerate(rows):
        row.update(id=f"new{number}", labels=[])
        if number == 3:
            row.update({name: [] for name in TYPES})
    kept = [name for name in table.column_names if name not in TYPES or name in types]
    return write_made_up(folder, type(table).from_pylist(rows, schema=table.schema).select(kept), features)


def parts_of(row: dict[str, Any]) -> float:
    return row["bias"] + sum(value for name, value in row.items() if name.startswith("part_"))


def test_each_type_has_a_part_and_neighbours(made_up: Path, run: Path, tmp_path: Path) -> None:
    new = new_photos(tmp_path / "new", TYPES)
    table = Annotator.load(run).suggest(collection=new, archive=made_up, out=tmp_path / "out")
    annotation = read_annotation(tmp_path / "out")
    assert annotation.about.kinds == TYPES
    assert annotation.about.metadata == "tags, sets, groups"
    assert [name for name in table.column_names if name.startswith("part_")] == [
        "part_image",
        *(f"part_{name}" for name in TYPES),
    ]
    photos = annotation.photos.to_pylist()
    assert {one["type"] for photo in photos for one in photo["neighbours"]} == {*TYPES}
    for photo in photos:
        assert all(one["shared"] for one in photo["neighbours"])
    for row in table.to_pylist():
        assert parts_of(row) == pytest.approx(row["score"], abs=1e-4)
        for one in row["neighbours"]:
            listed = photos[row["photo"]]["neighbours"][one["place"]]
            assert [listed[key] for key in ("id", "type", "shared")] == [one[key] for key in ("id", "type", "shared")]
        if row["photo"] == 3:
            assert row["neighbours"] == []
            assert row["probability"] == row["image_alone"]
    write_page(tmp_path / "out")
    assert (tmp_path / "out" / "index.html").is_file()


def test_a_type_alone_is_given_to_its_own_tower(made_up: Path, run: Path, tmp_path: Path) -> None:
    new = new_photos(tmp_path / "new", TYPES)
    annotator = Annotator.load(run)
    rows = annotator.suggest(collection=new, metadata="sets", out=tmp_path / "out").to_pylist()
    assert any(row["part_sets"] != 0 for row in rows)
    assert all(row["part_tags"] == row["part_groups"] == 0 for row in rows)
    assert {one["type"] for row in rows for one in row["neighbours"]} == {"sets"}
    note = " ".join(read_annotation(tmp_path / "out").about.notes)
    assert "sets" in note
    assert "tags, sets, groups" in note


def test_photos_that_lack_a_type_are_scored_with_the_others(run: Path, tmp_path: Path) -> None:
    new = new_photos(tmp_path / "new", ["tags"])
    rows = Annotator.load(run).suggest(collection=new, out=tmp_path / "out").to_pylist()
    about = read_annotation(tmp_path / "out").about
    assert about.metadata == "tags"
    assert any(row["part_tags"] != 0 for row in rows)
    assert all(row["part_sets"] == row["part_groups"] == 0 for row in rows)
    alone = Annotator.load(run).suggest(collection=new, neighbours="none").to_pylist()
    assert all(row["probability"] == row["image_alone"] for row in alone)
    with pytest.raises(UserError, match="^metadata=sets"):
        Annotator.load(run).suggest(collection=new, metadata="sets")


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("relations", ["tags"], "neighbours[.]relations"),
        ("relations", "tags", "neighbours[.]relations"),
        ("tested_relations", [{"type": 3, "tau": None}] * 3, "tested_relations[.]type"),
        ("lambda", "much", "neighbours[.]lambda"),
    ],
)
def test_a_damaged_description_is_named(run: Path, tmp_path: Path, key: str, value: Any, named: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(run / "model", folder)
    config = json.loads((folder / "config.json").read_text())
    config["neighbours"][key] = value
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=f"config[.]json.*{named}"):
        Annotator.load(folder)


def test_an_annotation_that_goes_on_is_the_same(made_up: Path, run: Path, tmp_path: Path) -> None:
    Annotator.load(run).suggest(collection=made_up, images="test", out=tmp_path / "one")
    scores = np.load(tmp_path / "one" / "scores.npy")
    Annotator.load(run).suggest(collection=made_up, images="test", out=tmp_path / "one", overwrite=True)
    assert np.array_equal(np.load(tmp_path / "one" / "scores.npy"), scores)
    assert not (tmp_path / "one" / "blocks").exists()


def test_lists_of_other_settings_do_not_stay(tmp_path: Path) -> None:
    """Neither whole ones nor those of an interrupted search, which would be taken for those of the new settings."""
    search = tmp_path / "blocks" / "neighbours-1.blocks"
    search.mkdir(parents=True)
    (search / "000000000-000002048.npy").write_bytes(b"lists")
    (tmp_path / "blocks" / "neighbours-0.npy").write_bytes(b"lists")
    (tmp_path / "photos.txt").write_text("of the user")
    remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["photos.txt"]
