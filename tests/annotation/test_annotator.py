"""annotation/annotator.py: suggestions of a trained model against the run itself and against brute force."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from conftest import checked, made_up_table, settings, write_made_up
from fixtures.tree import tree
from love_thy_neighbors import Annotator
from love_thy_neighbors.annotation import annotating
from love_thy_neighbors.annotation.files import read_annotation
from love_thy_neighbors.annotation.scoring import Scorer
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.jobs.job import finish
from love_thy_neighbors.visible import visible

pytestmark = pytest.mark.xdist_group("annotator")  # one process trains the run of these tests
QUICK = ("epochs=8", "h=8", "baseline=null", "lr=0.01")


def train(collection: Path, place: Path, *overrides: str) -> Path:
    chosen = settings(*QUICK, f"data={collection}", f"cache={place / 'cache'}", f"logs={place}", *overrides)
    finish(checked(chosen), place / "run", overwrite=False, resume=False, wait=True)
    return place / "run"


@pytest.fixture(scope="module")
def run(made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(made_up, tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other photos of the same kind, without labels; photo 3 has no tags, photo 4 one that nobody else has."""
    table, features = made_up_table(images=60, seed=7)
    rows = table.to_pylist()
    for number, row in enumerate(rows):
        row.update(id=f"new{number}", labels=[])
    rows[3]["tags"], rows[4]["tags"] = [], ["nobody else"]
    unlabelled = type(table).from_pylist(rows, schema=table.schema)
    return write_made_up(tmp_path_factory.mktemp("new") / "collection", unlabelled, features)


def nearest(tags: list[set[str]], photo: int, pool: list[int], M: int) -> list[int]:
    """Jaccard neighbours by brute force; ties go to the lower number."""
    similar = {i: len(tags[photo] & tags[i]) / max(1, len(tags[photo] | tags[i])) for i in pool if i != photo}
    return sorted((i for i in similar if similar[i] > 0), key=lambda i: (-similar[i], i))[:M]


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("pool=all",),
        ("metadata=union",),
        ("test_metadata=sets",),
        ("tau=8", "vocabulary=pool"),
        ("tau=8", "vocabulary=train"),
    ],
)
def test_test_images_get_the_scores_of_the_run(
    made_up: Path, tmp_path: Path, overrides: tuple[str, ...], run: Path
) -> None:
    run = train(made_up, tmp_path, *overrides) if overrides and "test_" not in overrides[0] else run
    Annotator.load(run).suggest(collection=made_up, images="test", out=tmp_path / "out")
    photos, rows = read_annotation(tmp_path / "out").photos, np.load(run / "rows.npy")
    expected = np.load(run / "scores.npy")[np.argsort(rows)]
    assert photos["row"].to_pylist() == sorted(rows)
    np.testing.assert_allclose(np.load(tmp_path / "out" / "scores.npy"), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("neighbours", "kinds"), [("new", ["new"]), ("archive", ["archive"]), (None, ["new", "archive"])]
)
def test_neighbours_are_found_by_the_text_of_the_values(
    made_up: Path, run: Path, new: Path, tmp_path: Path, neighbours: str | None, kinds: list[str]
) -> None:
    archive = None if neighbours == "new" else made_up
    table = Annotator.load(run).suggest(collection=new, archive=archive, neighbours=neighbours, out=tmp_path / "out")
    ours, theirs = (
        pq.read_table(new / "images.parquet").to_pylist(),
        pq.read_table(made_up / "images.parquet").to_pylist(),
    )
    tags = [set(row["tags"]) for row in (*ours, *theirs)]
    pool = {"new": range(60), "archive": range(60, 300), None: range(300)}[neighbours]
    photos = read_annotation(tmp_path / "out").photos.to_pylist()
    for number, photo in enumerate(photos):
        found = [one["row"] + 60 * (one["kind"] == "archive") for one in photo["neighbours"]]
        assert found == nearest(tags, number, list(pool), 6)
        for one, place in zip(photo["neighbours"], found, strict=True):
            assert set(one["shared"]) == tags[number] & tags[place]
            assert one["id"] == (ours[place] if place < 60 else theirs[place - 60])["id"]
    assert [name for name in table.column_names if name.startswith("part_")] == [
        f"part_{kind}" for kind in ("image", *kinds)
    ]
    total = (
        sum(table[name].to_numpy() for name in table.column_names if name.startswith("part_"))
        + table["bias"].to_numpy()
    )
    np.testing.assert_allclose(total, table["score"].to_numpy(), atol=1e-5)


def test_photos_without_neighbours_are_scored_by_the_image_alone(run: Path, new: Path, tmp_path: Path) -> None:
    table = Annotator.load(run).suggest(collection=new, out=tmp_path / "out")
    about = read_annotation(tmp_path / "out").about
    assert about.counts["photos_without_neighbours"] == 2
    for row in table.to_pylist():
        if row["photo"] in (3, 4):
            assert row["neighbours"] == []
            assert row["part_new"] == 0
            assert row["probability"] == row["image_alone"]


def test_rows_are_the_suggestions_and_the_top_labels(run: Path, new: Path) -> None:
    annotator = Annotator.load(run)
    table = annotator.suggest(collection=new, precision=0.6, top=2)
    for photo in range(60):
        rows = [row for row in table.to_pylist() if row["photo"] == photo]
        assert [row["probability"] for row in rows] == sorted((row["probability"] for row in rows), reverse=True)
        assert len(rows) >= 2
        assert all(
            row["suggested"] == (row["threshold"] is not None and row["probability"] >= row["threshold"])
            for row in rows
        )
    only = annotator.suggest(collection=new, precision=0.6, top=0)
    assert all(only["suggested"].to_pylist())
    assert only.num_rows == sum(table["suggested"].to_pylist())
    assert annotator.suggest(collection=new, precision=0.99, top=0).num_rows <= only.num_rows


def test_unlabelled_photos_and_doubtful_labels_of_the_own_collection(tmp_path: Path) -> None:
    table, features = made_up_table()
    rows = table.to_pylist()
    for row in rows[:40]:
        row["labels"] = []
    collection = write_made_up(tmp_path / "collection", type(table).from_pylist(rows, schema=table.schema), features)
    run = train(collection, tmp_path, "keep_unlabelled=true")
    found = Annotator.load(run).suggest(collection=collection, out=tmp_path / "out").to_pylist()
    photos = read_annotation(tmp_path / "out").photos.to_pylist()
    assert {photo["row"] for photo in photos} >= set(range(40))
    config = json.loads((run / "results.json").read_text())
    assert config["config"]["keep_unlabelled"]
    assert all(photos[row["photo"]]["labels"] is None for row in found if row["suggested"])
    for row in found:
        if row["doubtful"]:
            assert row["given"] == (row["label"] in rows[photos[row["photo"]]["row"]]["labels"])
            assert row["probability"] < 0.05 if row["given"] else row["probability"] > 0.95
    kinds = {one["kind"] for photo in photos for one in photo["neighbours"]}
    assert kinds == {"new", "archive"}


class StopAfter(Scorer):
    """Raises after two blocks."""

    def score(self, *arguments: Any) -> Any:
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls > 2:
            raise KeyboardInterrupt
        return super().score(*arguments)


def test_an_interrupted_annotation_continues(
    run: Path, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotating, "BLOCK", 16)
    whole = Annotator.load(run).suggest(collection=new, out=tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr("love_thy_neighbors.annotation.annotator.Scorer", StopAfter)
        with pytest.raises(KeyboardInterrupt):
            Annotator.load(run).suggest(collection=new, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    calls, annotator = [], Annotator.load(run)
    score = Scorer.score
    monkeypatch.setattr(Scorer, "score", lambda self, *rest: calls.append(1) or score(self, *rest))
    assert annotator.suggest(collection=new, out=tmp_path / "out").equals(whole)
    assert len(calls) == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        path.name for path in (tmp_path / "whole").iterdir()
    }
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "scores.npy"), np.load(tmp_path / "whole" / "scores.npy"))
    # Other settings do not continue from these blocks.
    other = Annotator.load(run).suggest(collection=new, out=tmp_path / "out", overwrite=True, top=1)
    assert other.num_rows < whole.num_rows


def test_the_csv_has_the_rows_of_the_table(run: Path, new: Path, tmp_path: Path) -> None:
    table = Annotator.load(run).suggest(collection=new, out=tmp_path / "out")
    text = pyarrow.csv.read_csv(tmp_path / "out" / "suggestions.csv")
    assert text["id"].to_pylist() == table["id"].to_pylist()
    assert text["label"].to_pylist() == table["label"].to_pylist()


def test_the_csv_has_no_control_character(run: Path, tmp_path: Path) -> None:
    table, features = made_up_table(images=60, seed=7)
    rows = table.to_pylist()
    for row in rows:
        row.update(id=f"\x1b[2J{row['id']}", tags=[*row["tags"], "\x1b]0;title\x07"])
    new = write_made_up(tmp_path / "new", type(table).from_pylist(rows, schema=table.schema), features)
    found = Annotator.load(run).suggest(collection=new, out=tmp_path / "out")
    assert all(text.startswith("\x1b[2J") for text in found["id"].to_pylist())
    written = (tmp_path / "out" / "suggestions.csv").read_text()
    assert visible(written) == written
    assert '"\\x1b[2Jimage0",' in written
    assert "\\x1b]0;title\\x07" in written


def test_a_model_without_neighbours_suggests_too(made_up: Path, new: Path, tmp_path: Path) -> None:
    run = train(made_up, tmp_path, "model=visual_only")
    table = Annotator.load(run).suggest(collection=new)
    assert table["probability"].equals(table["image_alone"])
    with pytest.raises(UserError, match="^neighbours"):
        Annotator.load(run).suggest(collection=new, neighbours="new")


@pytest.mark.parametrize("model", ["neighborhood_tagvec", "tag_only", "tag_voting"])
def test_a_model_that_needs_more_than_features_is_refused(made_up: Path, tmp_path: Path, model: str) -> None:
    run = train(made_up, tmp_path, f"model={model}")
    with pytest.raises(UserError, match=rf"confidence.json: .*{model}"):
        Annotator.load(run)


@pytest.fixture
def other_features(new: Path, tmp_path: Path) -> Path:
    """The new collection, with features that another network made."""
    folder = Path(shutil.copytree(new, tmp_path / "other"))
    card = json.loads((folder / "card.json").read_text())
    card["features"]["made_up"]["sha256_of_weights"] = "0" * 64
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def test_features_of_another_network_are_refused(run: Path, other_features: Path) -> None:
    with pytest.raises(UserError, match=f"^collection: .*{other_features}"):
        Annotator.load(run).suggest(collection=other_features)


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({}, "photos"),
        ({"photos": "no/such/folder"}, "photos"),
        ({"collection": "no/such/folder"}, "no/such/folder"),
        ({"neighbours": "old"}, "neighbours"),
        ({"neighbours": "archive"}, "neighbours=archive"),
        ({"metadata": "albums"}, "metadata=albums"),
        ({"metadata": "visual"}, "metadata=visual"),
        ({"images": "test"}, "images"),
        ({"precision": 1}, "precision"),
        ({"precision": "high"}, "precision"),
        ({"top": -1}, "top"),
        ({"tau": 0}, "tau"),
        ({"neighbours": "none", "metadata": "tags"}, "^metadata"),
        ({"neighbours": "none", "tau": 5}, "^tau"),
        ({"neighbours": "new", "archive": "{made_up}"}, "^archive"),
        ({"neighbours": "none", "archive": "{made_up}"}, "^archive"),
    ],
)
def test_the_wrong_key_is_named(run: Path, new: Path, made_up: Path, keys: dict[str, Any], named: str) -> None:
    keys = {key: str(made_up) if value == "{made_up}" else value for key, value in keys.items()}
    collection = {} if not keys or {"photos", "collection"} & keys.keys() else {"collection": new}
    with pytest.raises(UserError, match=named):
        Annotator.load(run).suggest(**(collection | keys))


def test_only_an_annotation_is_replaced(run: Path, new: Path, tmp_path: Path) -> None:
    annotator, out = Annotator.load(run), tmp_path / "out"
    annotator.suggest(collection=new, out=out)
    with pytest.raises(UserError, match=f"^out: {out}"):
        annotator.suggest(collection=new, out=out)
    annotator.suggest(collection=new, out=out, overwrite=True)
    (out / "journal.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match=f"^out: {out}"):
        annotator.suggest(collection=new, out=out, overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    with pytest.raises(UserError, match="not an annotation"):
        annotator.suggest(collection=new, out=tmp_path / "mine", overwrite=True)


def changed(source: Path, folder: Path, change: Callable[[int, dict[str, Any]], None], *left_out: str) -> Path:
    """A copy of a collection, with each row changed, and columns left out."""
    table = pq.read_table(source / "images.parquet").replace_schema_metadata()
    rows = table.to_pylist()
    for number, row in enumerate(rows):
        change(number, row)
    copy = type(table).from_pylist(rows, schema=table.schema).drop_columns(list(left_out))
    return write_made_up(folder, copy, np.load(source / "features" / "made_up.npy"))


def test_labels_that_the_model_does_not_know_are_kept_and_hide_no_suggestion(
    run: Path, new: Path, tmp_path: Path
) -> None:
    foreign = changed(new, tmp_path / "foreign", lambda number, row: row.update(labels=["foreign"] * (number % 2)))
    annotator = Annotator.load(run)
    found = annotator.suggest(collection=foreign, precision=0.6, out=tmp_path / "out")
    expected = annotator.suggest(collection=new, precision=0.6)
    assert any(expected["suggested"].to_pylist())
    assert found["suggested"].equals(expected["suggested"])
    assert found["given"].null_count == len(found)
    labels = read_annotation(tmp_path / "out").photos["labels"].to_pylist()
    assert labels == [["foreign"] if number % 2 else None for number in range(60)]


def test_photos_with_labels_get_suggestions_of_those_that_their_collection_does_not_use(
    run: Path, new: Path, tmp_path: Path
) -> None:
    annotator = Annotator.load(run)
    known = annotator.labels[0]
    partly = changed(new, tmp_path / "partly", lambda number, row: row.update(labels=[known]))
    found = annotator.suggest(collection=partly, precision=0.6).to_pylist()
    for row in found:
        assert row["given"] == (True if row["label"] == known else None)
    expected = annotator.suggest(collection=new, precision=0.6).to_pylist()
    pairs = [{(row["id"], row["label"]) for row in rows if row["suggested"]} for rows in (found, expected)]
    assert pairs[0] == {pair for pair in pairs[1] if pair[1] != known}


@pytest.mark.parametrize("metadata", ["tags", "union"])
def test_photos_without_any_metadata_are_scored_by_the_image_alone(
    run: Path, new: Path, tmp_path: Path, metadata: str
) -> None:
    bare = changed(new, tmp_path / "bare", lambda number, row: None, "tags", "sets", "groups")
    found = Annotator.load(run).suggest(collection=bare, metadata=metadata)
    assert found["probability"].equals(found["image_alone"])


def test_union_counts_as_many_tags_as_in_training(run: Path, new: Path) -> None:
    annotator = Annotator.load(run)
    annotator.about["neighbours"]["test_metadata"] = annotator.about["neighbours"]["metadata"] = {
        "type": "tags",
        "tau": 2,
    }
    table = annotator.suggest(collection=new, metadata="union", precision=0.6)
    assert table.equals(annotator.suggest(collection=new, metadata="union", tau=2, precision=0.6))
    assert not table.equals(annotator.suggest(collection=new, metadata="union", tau=50, precision=0.6))


def test_an_interrupted_annotation_does_not_continue_with_another_tau(
    run: Path, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotating, "BLOCK", 16)
    with monkeypatch.context() as patch:
        patch.setattr("love_thy_neighbors.annotation.annotator.Scorer", StopAfter)
        with pytest.raises(KeyboardInterrupt):
            Annotator.load(run).suggest(collection=new, out=tmp_path / "out")
    continued = Annotator.load(run).suggest(collection=new, tau=2, out=tmp_path / "out")
    assert continued.equals(Annotator.load(run).suggest(collection=new, tau=2))


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("neighbours.m", None, "neighbours.m"),
        ("neighbours.m", "3", "neighbours.m"),
        ("neighbours.m", 7, "neighbours.m and M"),
        ("neighbours.M", 10**9, "neighbours.m and M"),
        ("neighbours.test_metadata", {"type": 5}, "neighbours.test_metadata.type"),
        ("neighbours", None, "neighbours"),
        ("backbone.dim", 7, "backbone.dim"),
        ("backbone", {}, "backbone.name"),
        ("trained_on", {}, "trained_on.run"),
        ("validation", {"split": 3}, "validation.split"),
        ("labels", ["same"] * 5, "labels"),
    ],
)
def test_a_wrong_description_of_a_model_is_named(run: Path, tmp_path: Path, key: str, value: Any, named: str) -> None:
    folder = Path(shutil.copytree(run / "model", tmp_path / "model"))
    about = json.loads((folder / "config.json").read_text())
    *above, last = key.split(".")
    part = about
    for name in above:
        part = part[name]
    part[last] = value
    (folder / "config.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match=rf"config\.json: .*{named}"):
        Annotator.load(folder)


def test_a_model_whose_parts_do_not_fit_is_refused(run: Path, tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(run / "model", tmp_path / name))

    folder = copy("labels")
    for name in ("config.json", "confidence.json"):
        content = json.loads((folder / name).read_text())
        parts = content["conditions"].values() if name == "confidence.json" else [content]
        for part in parts:
            part.update({key: part[key][:1] for key in ("labels", "slopes", "intercepts", "curves") if key in part})
        (folder / name).write_text(json.dumps(content))
    with pytest.raises(UserError, match="labels, but its model"):
        Annotator.load(folder)
    folder = copy("diverged")
    weights = load_file(folder / "model.safetensors")
    save_file({name: value * np.nan for name, value in weights.items()}, folder / "model.safetensors")
    with pytest.raises(UserError, match="diverged"):
        Annotator.load(folder)
    folder = copy("condition")
    content = json.loads((folder / "confidence.json").read_text())
    del content["conditions"]["all"]
    (folder / "confidence.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="'all'"):
        Annotator.load(folder)


def test_the_table_of_the_card_adds_up_to_the_figures_of_the_run(made_up: Path, tmp_path: Path) -> None:
    alone = changed(made_up, tmp_path / "alone", lambda number, row: row.update(tags=row["tags"] if number % 3 else []))
    run = train(alone, tmp_path, "precision=0.5")
    found = json.loads((run / "results.json").read_text())["confidence"]["suggestions"]["suggested"]
    table = (run / "model" / "README.md").read_text().split("## Labels")[1].splitlines()
    cells = [line.split("|") for line in table if line.startswith("| label")]
    assert found > 0
    assert sum(int(row[5]) for row in cells if row[1].strip() != "label") == found


def test_a_model_that_saw_random_neighbours_has_a_note(made_up: Path, new: Path, tmp_path: Path) -> None:
    run = train(made_up, tmp_path, "neighborhoods.fill=random")
    Annotator.load(run).suggest(collection=new, out=tmp_path / "out")
    assert any("fill=random" in note for note in read_annotation(tmp_path / "out").about.notes)


def test_the_own_collection_is_known_though_its_card_has_changed(made_up: Path, run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made_up, tmp_path / "copy"))
    card = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps(card | {"licence": "another"}))
    annotator = Annotator.load(run)
    table = annotator.suggest(collection=copy)
    assert table.num_rows
    assert table.equals(annotator.suggest(collection=made_up))


def test_what_a_person_keeps_in_an_annotation_is_not_deleted(run: Path, new: Path, tmp_path: Path) -> None:
    annotator, out = Annotator.load(run), tmp_path / "out"
    annotator.suggest(collection=new, out=out)
    (out / "decisions.csv").write_text("id,file,label,decision,decided\n")
    with pytest.raises(UserError, match=r"^out: .*decisions\.csv"):
        annotator.suggest(collection=new, out=out, overwrite=True)
    assert (out / "decisions.csv").is_file()


@pytest.mark.parametrize("key", ["collection", "archive"])
def test_what_is_read_is_not_deleted(run: Path, new: Path, tmp_path: Path, key: str) -> None:
    annotator, out = Annotator.load(run), tmp_path / "out"
    annotator.suggest(collection=new, out=out)
    inside = shutil.copytree(new, out / "collection")
    with pytest.raises(UserError, match=f"^out: {key}={inside} lies inside"):
        annotator.suggest(**({"collection": new} | {key: inside}), out=out, overwrite=True)
    assert (inside / "card.json").is_file()


def test_few_neighbours_are_noted(run: Path, new: Path, tmp_path: Path) -> None:
    table = pq.read_table(new / "images.parquet").to_pylist()
    for number, row in enumerate(table):
        if number % 2:
            row["tags"] = []
    schema = pq.read_schema(new / "images.parquet").remove_metadata()
    features = np.load(new / "features" / "made_up.npy")
    sparse = write_made_up(
        tmp_path / "sparse", pq.read_table(new / "images.parquet").from_pylist(table, schema), features
    )
    Annotator.load(run).suggest(collection=sparse, out=tmp_path / "out")
    assert any("neighbours on average" in note for note in read_annotation(tmp_path / "out").about.notes)


@pytest.mark.parametrize(
    "name", ["notes.txt", "photos/", "collection/", "page/notes.txt", "blocks/x", "labels.csv", "link"]
)
def test_what_is_not_ours_in_an_annotation_stays(run: Path, new: Path, tmp_path: Path, name: str) -> None:
    annotator, out = Annotator.load(run), tmp_path / "out"
    annotator.suggest(collection=new, out=out)
    path = out / name
    if name == "link":
        path = out / "index.html"
        path.symlink_to(new / "card.json")
    elif name == "collection/":
        path = Path(shutil.copytree(new, out / "collection"))
        (path / "notes.txt").write_text("mine")
    elif name.endswith("/"):
        path.mkdir()
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(UserError, match=f"^out: {out} holds "):
        annotator.suggest(collection=new, out=out, overwrite=True)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("content", ['{"title": "about my photos"}', "{", "[]", '{"format": 1, "labels": []}'])
def test_an_annotation_json_of_something_else_is_no_annotation(
    run: Path, new: Path, tmp_path: Path, content: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "annotation.json").write_text(content)
    before = tree(tmp_path)
    with pytest.raises(UserError, match=f"^out: {tmp_path}/out .*not an annotation"):
        Annotator.load(run).suggest(collection=new, out=tmp_path / "out", overwrite=True)
    assert tree(tmp_path) == before


def test_a_partial_folder_of_somebody_is_not_used(run: Path, new: Path, tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "scores.npy").write_text("mine")
    with pytest.raises(UserError, match=r"^out: .*out\.partial"):
        Annotator.load(run).suggest(collection=new, out=tmp_path / "out")
    assert tree(tmp_path) == {"out.partial": "folder", "out.partial/scores.npy": b"mine"}


def test_only_the_annotation_is_left(run: Path, new: Path, tmp_path: Path) -> None:
    Annotator.load(run).suggest(collection=new, out=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("annotation.json", "photos.parquet", "scores.npy", "suggestions.csv", "suggestions.parquet")
    }
