"""report.py without data=: the collection of the newest run."""

import os
from pathlib import Path

import pytest
import yaml

from conftest import run_program
from love_thy_neighbors.report.newest import newest_data


def run(logs: Path, name: str, second: int, cwd: Path, *task: str) -> Path:
    folder = logs / name
    (folder / "hydra").mkdir(parents=True)
    content = {"hydra": {"runtime": {"cwd": str(cwd)}, "overrides": {"task": list(task)}}}
    (folder / "hydra" / "hydra.yaml").write_text(yaml.safe_dump(content))
    (folder / "results.json").write_text("{}")
    os.utime(folder / "results.json", (second, second))
    return folder


def test_the_newest_runs_choice_is_taken_with_its_whole_path(tmp_path: Path) -> None:
    mine = tmp_path / "my photos (2019)"
    mine.mkdir()
    run(tmp_path / "logs", "old", 1, tmp_path, "data=openclipart", "m=2")
    run(tmp_path / "logs", "new", 2, tmp_path, "m=1", f"data='{mine.name}'", "data.backbone=b")
    (tmp_path / "logs" / "baseline").mkdir()  # has no file of Hydra
    (tmp_path / "logs" / "baseline" / "results.json").write_text("{}")
    assert newest_data([tmp_path / "logs"]) == [f'data="{mine}"', "data.backbone=b"]


def test_a_shipped_collection_keeps_its_name(tmp_path: Path) -> None:
    run(tmp_path, "one", 1, tmp_path, "data=nuswide", "data.dir=/gone")
    assert newest_data([tmp_path]) == ["data=nuswide", "data.dir=/gone"]


@pytest.mark.parametrize("text", ["", "[", "hydra: 3", "hydra: {runtime: {cwd: 1}}", "!!python/object:os.system {}"])
def test_a_run_whose_file_says_nothing_is_passed_over(text: str, tmp_path: Path) -> None:
    run(tmp_path, "good", 1, tmp_path, "data=synthetic")
    (run(tmp_path, "bad", 2, tmp_path) / "hydra" / "hydra.yaml").write_text(text)
    assert newest_data([tmp_path]) == ["data=synthetic"]


def test_the_program_reports_on_it(tmp_path: Path) -> None:
    run(tmp_path / "logs", "one", 1, tmp_path, "data=data/gone")
    done = run_program("report.py", "runs=logs", "out=report", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "data/gone" in done.stderr
