"""neighbors.py as a person runs it."""

from pathlib import Path

import pytest

from conftest import run_program, train_on


def test_training_finds_the_lists_that_were_made_ahead(made_up: Path, tmp_path: Path) -> None:
    keys = ("metadata=tags", "test_metadata=sets", "M=4", "split=1", "tau=9")
    command = ("data=collection", f"data.dir={made_up}", *keys, f"cache={tmp_path}/cache")
    done = run_program("neighbors.py", *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if "│" in line]
    assert [(row[1], row[3], row[5]) for row in rows] == [
        ("train", "tags", "139"),
        ("val", "tags", "51"),
        ("val", "tags", "51"),  # with neighbours from all parts, for probabilities with an archive
        ("test", "tags", "50"),  # of the run that trains the model
        ("test", "sets", "50"),
    ]
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.npy")}
    assert sorted(path.name for path in made) == sorted(row[-2] for row in rows)
    train_on(made_up, tmp_path, *keys, "m=2")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.npy")} == made
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("cache", "logs")] == []


def test_a_relational_model_finds_its_lists_and_similarities(made_up: Path, tmp_path: Path) -> None:
    keys = ("metadata=all", "relations=[groups,tags]", "M=4", "split=1")
    command = ("data=collection", f"data.dir={made_up}", *keys, "deep=100", f"cache={tmp_path}/cache")
    done = run_program("neighbors.py", *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if "│" in line]
    parts = ["train", "val", "val", "test"]
    assert [(row[1], row[3]) for row in rows] == [(part, kind) for kind in ("groups", "tags") for part in parts]
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.npy")}
    assert len(made) == 2 * len(rows)
    train_on(made_up, tmp_path, "model=relational", *keys)
    found = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.npy")}
    assert found == made


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("M=0", "M=0: M must be a whole number, 1 or more."),
        ("block=0", "block: must be a whole number of 1 or more, not 0."),
        ("deep=-1", "deep: must be a whole number of 0 or more, not -1."),
        ("relations=[tags]", "relations: chooses from metadata=all"),
        ("engine=spark", "engine: 'spark' is not known; use local or ray."),
        ("pool=train", "pool=train: pool must be split or all."),
        ("split_by=release", "split_by=release: the collection in"),
        ("metadata=foo", "metadata=foo: the collection in"),
    ],
)
def test_a_mistake_is_one_sentence(made_up: Path, tmp_path: Path, given: str, message: str) -> None:
    done = run_program("neighbors.py", "data=collection", f"data.dir={made_up}", given, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"neighbors.py: {message}")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
