"""data=FOLDER: the one thing to type for a collection of one's own, and the name that it gives to runs."""

import json
from pathlib import Path

import pytest
from hydra import initialize_config_dir

from conftest import ROOT, checked, made_up_table, run_program, settings, write_made_up
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.programs.experiments import plan
from love_thy_neighbors.programs.start import register_resolvers
from love_thy_neighbors.runs.identity import identity, run_name


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A collection in data/mine, below the working folder."""
    monkeypatch.chdir(tmp_path)
    return named(tmp_path / "data" / "mine", "holiday photos")


def named(folder: Path, name: str) -> Path:
    folder.parent.mkdir(exist_ok=True)
    write_made_up(folder, *made_up_table())
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"name": name}))
    return folder


@pytest.mark.parametrize("typed", ["data/mine", "./data/mine", "data/mine/", "data/../data/mine", "{absolute}"])
def test_a_folder_with_a_card_is_a_choice_of_data(mine: Path, typed: str) -> None:
    made = checked(settings(f"data={typed.format(absolute=mine)}"))
    longer = checked(settings("data=collection", f"data.dir={mine}"))
    assert made.collection.name == "holiday photos"
    assert made.collection.folder.resolve() == mine
    assert run_name(made) == run_name(longer)
    assert run_name(made).startswith("holiday_photos-neighborhood-")
    assert identity(made) == identity(longer)


def test_a_folder_below_the_working_folder_needs_no_slash(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine.parent)
    assert settings("data=mine")["data"]["name"] == "holiday photos"


def test_other_keys_of_the_collection_can_be_given_besides(mine: Path) -> None:
    config = settings("data=data/mine", "data.split_sizes=[0.5,0.25,0.25]", "data.name=trial")
    assert (config["data"]["split_sizes"], config["data"]["name"]) == ([0.5, 0.25, 0.25], "trial")


def test_two_collections_have_two_names_in_a_sweep(mine: Path) -> None:
    other = named(mine.with_name("other"), "birds")
    register_resolvers()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        jobs = plan({}, [], [f"data=data/mine,{other}", "metadata=sets"]).jobs
    assert [job.config["data"]["name"] for job in jobs] == ["holiday photos", "birds"]


def test_a_path_that_is_no_collection_is_named(mine: Path) -> None:
    with pytest.raises(UserError, match=r"^data.dir: data/none is not a folder"):
        checked(settings("data=data/none"))
    (mine / "card.json").unlink()
    with pytest.raises(UserError, match=r"mine/card.json is missing"):
        checked(settings("data=data/mine"))


def test_clip_art_s_settings_are_for_clip_art_alone(mine: Path) -> None:
    with pytest.raises(UserError, match=r"^data.dir=data/mine: .*'holiday photos'.* give data=data/mine"):
        checked(settings("data.dir=data/mine"))
    assert checked(settings()).collection.name == "openclipart"


def test_a_long_name_makes_no_folder_that_the_file_system_refuses(mine: Path) -> None:
    made = checked(settings(f"data={named(mine.with_name('long'), 'x' * 300)}"))
    assert made.collection.name == "x" * 300
    assert len(run_name(made)) < 200


def test_the_programs_take_a_folder(mine: Path) -> None:
    done = run_program("neighbors.py", "data=data/mine", "cache=lists", cwd=mine.parent.parent)
    assert done.returncode == 0, done.stderr
    (mine.parent.parent / "logs").mkdir()
    done = run_program("report.py", "data.dir=data/mine", "runs=logs", "out=report", cwd=mine.parent.parent)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("report.py: data.dir=data/mine")
    done = run_program("train.py", "data=data/none", cwd=mine.parent.parent)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("train.py: data.dir: data/none")
