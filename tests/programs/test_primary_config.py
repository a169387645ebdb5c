"""A primary config of one's own, --config-name: sweeps, baselines and finished runs are those of that config."""

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import run_program


@pytest.fixture
def own(made_up: Path, tmp_path: Path) -> tuple[str, ...]:
    """The options of a primary config outside the project: one epoch, M=4, and a learning rate for its model."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mytrain.yaml").write_text(
        f"""defaults: [train, _self_]
data: {{dir: {made_up}}}
logs: {tmp_path}/logs
cache: {tmp_path}/cache
M: 4
epochs: 1
lr: 0.01
h: 8
seed: 7
trainer: {{enable_progress_bar: false}}
"""
    )
    return "--config-dir", str(tmp_path / "own"), "--config-name", "mytrain"


def finished(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("logs/*/results.json"))]


def test_the_baseline_has_the_settings_of_the_config_but_not_what_was_chosen_for_the_model(
    own: tuple[str, ...], tmp_path: Path
) -> None:
    done = run_program("train.py", *own, "data=collection", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    configs = {one["model"]: one["config"] for one in finished(tmp_path)}
    assert {(config["epochs"], config["seed"]) for config in configs.values()} == {(1, 7)}
    assert configs["neighborhood"]["M"] == 4
    assert configs["neighborhood"]["lr"] == 0.01
    assert configs["visual_only"]["lr"] == 0.001  # its own, of configs/model


@pytest.mark.parametrize("cluster", ["local", pytest.param("joblib", marks=pytest.mark.slow)])
def test_a_sweep_runs_the_config_and_finds_its_own_finished_jobs_alone(
    own: tuple[str, ...], made_up: Path, tmp_path: Path, cluster: str
) -> None:
    command = ("-m", *own, "data=collection", "baseline=null", f"cluster={cluster}")
    done = run_program("train.py", *command, "m=2,5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "m=5 M=4" in done.stdout  # left out
    assert "1 job: 1 done, 0 found finished" in done.stdout
    (result,) = finished(tmp_path)
    assert (result["config"]["M"], result["config"]["seed"]) == (4, 7)
    again = run_program("train.py", *command, "m=2,5", "split=0,1", cwd=tmp_path)
    assert "2 jobs: 1 done, 1 found finished, 0 failed." in again.stdout
    # The same overrides of the shipped config are another job.
    shipped = (f"data.dir={made_up}", f"logs={tmp_path}/logs", f"cache={tmp_path}/cache", "epochs=1", "h=8")
    other = run_program("train.py", "-m", "data=collection", "baseline=null", "m=2", *shipped, cwd=tmp_path)
    assert "1 job: 1 done, 0 found finished" in other.stdout
