"""What debug= prints, and the lines at the start and the end, on the embedded collection with its many batches."""

import subprocess
from pathlib import Path

import pytest
import torch

from conftest import run_program


def run(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    places = (f"logs={folder}/logs", f"cache={folder}/cache")
    return run_program("train.py", "h=8", *overrides, *places, cwd=folder)


def test_one_batch_of_each_part_runs_with_one_line_of_settings(tmp_path: Path) -> None:
    done = run(tmp_path, "debug=fast_batch")
    assert done.returncode == 0, done.stderr
    (folder,) = (path for path in (tmp_path / "logs").iterdir() if path.is_dir())
    head = done.stdout.splitlines()[0]
    for shown in ("openclipart", "neighborhood", "tags", "m=3 M=6", "split 0", str(folder)):
        assert shown in head
    assert "batch_size" not in done.stdout
    assert "batch_size" in (folder / "hydra" / "config.yaml").read_text()
    assert "Seconds: neighborhood " in done.stdout
    again = run(tmp_path, "debug=fast_batch", "verbose=true")
    assert "batch_size" in again.stdout
    assert "Already finished" in again.stdout  # verbose= is no setting of the result


def test_the_profile_is_printed(tmp_path: Path) -> None:
    done = run(tmp_path, "debug=profiler", "epochs=1", "trainer.limit_train_batches=2")
    assert done.returncode == 0, done.stderr
    assert "run_training_batch" in done.stdout
    assert "test_step" in done.stdout


def test_the_training_loss_of_a_few_batches_is_printed(tmp_path: Path) -> None:
    done = run(tmp_path, "debug=overfit", "epochs=2", "trainer.enable_progress_bar=false")
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("Training loss"))
    (curves,) = tmp_path.glob("logs/*/metrics.csv")
    _, first, last = (row.split(",")[1] for row in curves.read_text().splitlines())
    assert f"{float(first):.3f} in the first" in line
    assert f"{float(last):.3f} in the last of 2" in line


def test_bars_and_seconds_tell_model_and_baseline_apart(made_up: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "data=collection", f"data.dir={made_up}", "epochs=1")
    assert done.returncode == 0, done.stderr
    assert "relational: epoch 1 of 1" in done.stdout
    assert "visual_only, the baseline: epoch 1 of 1" in done.stdout
    (seconds,) = (line for line in done.stdout.splitlines() if line.startswith("Seconds: "))
    assert "relational " in seconds
    assert "visual_only " in seconds


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_machine_without_a_gpu_is_told_what_to_give(tmp_path: Path) -> None:
    done = run(tmp_path, "trainer=gpu", "debug=fast_batch")
    assert done.returncode == 1
    assert "train.py: trainer.accelerator=gpu: " in done.stderr
    assert "trainer=cpu" in done.stderr
    assert "Traceback" not in done.stderr
