"""What people type: options in the middle, dashes, spaces in lists, keys that do not exist."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import run_program
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.programs.command_line import arranged
from love_thy_neighbors.programs.default_model import with_default_model

SETTINGS = st.sampled_from(["m=3", "~lr", "split=0,1", "data.dir=/a b", "x=[1, 2]", "++a=", 'q="--m=1"'])
OPTIONS = st.sampled_from([["-m"], ["--cfg", "job"], ["--config-name=mine"], ["-cd", "folder"], ["--info"], ["--help"]])


@given(st.lists(st.one_of(SETTINGS.map(lambda one: [one]), OPTIONS)))
def test_options_come_first_and_nothing_is_lost(words: list[list[str]]) -> None:
    made = arranged([word for one in words for word in one])
    settings = [one[0] for one in words if not one[0].startswith("-")]
    assert made[len(made) - len(settings) :] == settings
    options = [word for one in words if one[0].startswith("-") for word in one]
    assert made[: len(made) - len(settings)] == ["--info=all" if word == "--info" else word for word in options]


def test_a_model_within_a_model_is_a_file_of_its_group() -> None:
    assert arranged(["model=smoothed", "model.of=a,b"]) == ["model=smoothed", "model@model.of=a,b"]
    assert arranged(["model.of.name=a"]) == ["model.of.name=a"]


@pytest.mark.parametrize(
    ("words", "relational"),
    [
        (["data=data/mine"], True),
        (["-m", "data=data/mine", "metadata=tags,sets", "split=0,1"], True),
        (["data=collection", "data.dir=mine"], True),
        (["data=nuswide"], False),
        (["metadata=tags", "m=3", "M=6"], False),
        (["data=data/mine", "model=neighborhood"], False),
        (["data=data/mine", "model@model.of=visual_mlp"], False),
        (["data=data/mine", "metadata=tags", "m=3", "M=6"], False),
        (["data=data/mine", "neighborhoods.test=10"], False),
        (["data=data/mine", "metadata=visual"], False),
        (["-m", "experiment=table2", "data=data/mine"], False),
        (["--config-name", "mine", "data=data/mine"], False),
        (["--config-name=mine", "data=data/mine"], False),
    ],
)
def test_a_collection_of_one_s_own_has_the_relational_model(words: list[str], relational: bool) -> None:
    assert with_default_model(words) == [*words, *(["model=relational"] if relational else [])]


@pytest.mark.parametrize(
    ("words", "place", "cure"),
    [
        (["-m", "metadata=tags,", "sets"], "metadata=tags, sets", "give metadata=tags,sets"),
        (["-m", "split=0,", "1,", "2", "m=3"], "split=0, 1, 2", "give split=0,1,2"),
        (["metadata=tags,"], "metadata=tags,", "give metadata=tags."),
        (["m", "=", "3"], "m = 3", "without spaces"),
        (["m=3", "overwrite"], "m=3 overwrite", "KEY=VALUE"),
        (["watch"], "watch", "KEY=VALUE"),
        (["--watch"], "--watch", "watch=VALUE"),
        (["--m=3"], "--m=3", "m=3"),
        (["-m=3"], "-m=3", "m=3"),
        (["--data.dir=x"], "--data.dir=x", "data.dir=x"),
    ],
)
def test_what_is_no_setting_is_told(words: list[str], place: str, cure: str) -> None:
    with pytest.raises(UserError) as error:
        arranged(words)
    assert str(error.value).startswith(f"{place}: ")
    assert cure in str(error.value)


def test_m_in_the_middle_is_a_sweep(made_up: Path, tmp_path: Path) -> None:
    short = ("data=collection", f"data.dir={made_up}", "debug=fast_batch", "h=8")
    places = (f"logs={tmp_path}/logs", f"cache={tmp_path}/cache")
    done = run_program("train.py", *short, "-m", "split=0,1", *places, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 jobs: 2 done" in done.stdout


@pytest.mark.parametrize(
    ("program", "arguments", "named"),
    [
        ("train.py", ("learning_rate=0.1",), ("learning_rate: ", " lr?")),
        ("train.py", ("+learning_rate=0.1",), ("learning_rate: ", " lr?")),
        ("train.py", ("dbug=limited",), ("dbug: ", " debug?")),
        ("report.py", ("--watch",), ("--watch: ", "watch=")),
        ("report.py", ("+wach=true",), ("wach: ", " watch?")),
        ("prepare.py", (), ("source: ", "source=folder")),
        ("prepare.py", ("source=jsonl", "recods=x"), ("recods: ", " records?")),
        ("neighbors.py", ("+taw=3",), ("taw: ", " tau?")),
        ("annotate.py", ("+phots=x",), ("phots: ", " photos?")),
    ],
)
def test_every_program_tells_a_mistake_of_the_command_line_in_one_sentence(
    program: str, arguments: tuple[str, ...], named: tuple[str, str], tmp_path: Path
) -> None:
    logs = (f"logs={tmp_path}/logs",) if program == "train.py" else ()
    done = run_program(program, *arguments, *logs, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{program}: {named[0]}")
    assert named[1] in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("logs/*"))
