"""The beginning of a run deletes what an earlier attempt has left, and nothing else."""

from pathlib import Path

import pytest

from conftest import checked, settings
from fixtures.tree import tree
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.ownership import hidden_name
from love_thy_neighbors.programs.start import _remove_if_unused
from love_thy_neighbors.runs.results import begin
from love_thy_neighbors.runs.settings import Settings


@pytest.fixture(scope="module")
def config(made_up: Path) -> Settings:
    return checked(settings("data=collection", f"data.dir={made_up}"))


def put(folder: Path, *files: str) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")


def test_what_an_earlier_attempt_left_goes_and_what_people_added_stays(tmp_path: Path, config: Settings) -> None:
    begin(tmp_path, config)
    put(tmp_path, "scores.npy", "last.ckpt", ".last.ckpt.tmp", "results.json", "model/config.json", "model/README.md")
    hidden_name(tmp_path / "scores.npy", "tmp").touch()
    put(hidden_name(tmp_path / "model", "tmp"), "config.json")  # of a process that was killed while it wrote the model
    people = ("notes.txt", ".notes.tmp", "annotations/index.html", "my_scores.npy")
    put(tmp_path, *people)
    begin(tmp_path, config)
    assert {name for name, content in tree(tmp_path).items() if content != "folder"} == {"config.yaml", *people}


@pytest.mark.parametrize("name", ["config.yaml", "results.json", "scores.npy", "model/config.json", "metrics.csv"])
@pytest.mark.parametrize("keep", [False, True])
def test_a_folder_that_is_not_a_run_s_is_refused(tmp_path: Path, config: Settings, name: str, keep: bool) -> None:
    put(tmp_path, name, "notes.txt")
    before = tree(tmp_path)
    if keep and name == "metrics.csv":  # belongs to the checkpoint that is continued
        begin(tmp_path, config, keep_checkpoint=True)
        assert (tmp_path / name).read_text() == "mine"
        return
    with pytest.raises(UserError, match=name.split("/")[0]):
        begin(tmp_path, config, keep_checkpoint=keep)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("content", ["{}", "[1]", "measure: annotation", "{", "? ? ?", "&a [*a]", '{"title": "x"}'])
def test_a_config_of_something_else_is_no_mark(tmp_path: Path, config: Settings, content: str) -> None:
    for name in ("config.yaml", "results.json"):
        (tmp_path / name).write_text(content)
    put(tmp_path, "rows.npy")
    before = tree(tmp_path)
    with pytest.raises(UserError, match=str(tmp_path)):
        begin(tmp_path, config)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("kind", ["file", "link", "link in it"])
def test_what_somebody_keeps_in_the_model_s_folder_stays(tmp_path: Path, config: Settings, kind: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    begin(run, config)
    put(run, "scores.npy")
    put(tmp_path / "mine", "config.json")
    if kind == "link":
        (run / "model").symlink_to(tmp_path / "mine")
    else:
        put(run, "model/config.json")
        if kind == "file":
            put(run, "model/notes.txt")
        else:
            (run / "model" / "README.md").symlink_to(tmp_path / "mine" / "config.json")
    before = tree(tmp_path)
    with pytest.raises(UserError, match=f"{run}/model"):
        begin(run, config)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", [None, "notes.txt", "hydra/notes.txt", "scores.npy"])
def test_a_refused_job_removes_its_folder_only_without_files_of_others(tmp_path: Path, name: str | None) -> None:
    folder = tmp_path / "run"
    put(folder, "hydra/config.yaml", "hydra/overrides.yaml", "hydra/hydra.yaml", "train.log", ".lock")
    if name is not None:
        put(folder, name)
    before = tree(tmp_path)
    _remove_if_unused(folder)
    assert tree(tmp_path) == (before if name is not None else {})
