"""train.py as `wandb agent` starts it: with the trial's run id and the sweep's id in the environment."""

from pathlib import Path
from typing import Any

import pytest

from conftest import run_program


def trial(made_up: Path, folder: Path, run_id: str, *overrides: str) -> dict[str, Path]:
    """One trial; returns the recorded runs by id."""
    before = set(folder.glob("logs/*/wandb/offline-run-*"))
    environment = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_SWEEP_ID": "sweep7", "WANDB_RUN_ID": run_id}
    short = ("h=8", "epochs=1", "logger=wandb", "trainer.enable_progress_bar=false")
    places = (f"logs={folder}/logs", f"cache={folder}/cache")
    data = ("data=collection", f"data.dir={made_up}")
    done = run_program("train.py", *data, *short, *places, *overrides, cwd=folder, **environment)
    assert done.returncode == 0, done.stderr
    runs = set(folder.glob("logs/*/wandb/offline-run-*")) - before
    return {path.name.split("-")[-1]: path for path in runs}


def content(run: Path) -> bytes:
    (file,) = run.glob("run-*.wandb")
    return file.read_bytes()


@pytest.mark.parametrize(
    ("overrides", "others"),
    [
        (("m=2",), 1),  # the baseline
        # the run that trains the model
        pytest.param(("m=2", "test_metadata=sets", "baseline=null"), 1, marks=pytest.mark.slow),
    ],
)
def test_only_the_model_s_run_joins_the_sweep_and_a_trial_found_finished_logs_its_figures(
    made_up: Path, tmp_path: Path, overrides: tuple[str, ...], others: int
) -> None:
    first: dict[str, Any] = trial(made_up, tmp_path, "trial1", *overrides)
    assert len(first) == 1 + others
    joined = content(first.pop("trial1"))
    assert b"sweep7" in joined
    assert b"final/val/mAP_L" in joined
    for run in first.values():
        assert b"sweep7" not in content(run)
        assert b"trial1" not in content(run)
    again = trial(made_up, tmp_path, "trial2", *overrides)
    assert again.keys() == {"trial2"}
    for written in (b"sweep7", b"final/val/mAP_L", b"final/test/mAP_L"):
        assert written in content(again["trial2"])
