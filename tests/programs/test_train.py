"""train.py as people run it: as a subprocess, from any folder."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import ROOT, run_program
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.metrics import annotation_metrics


def places(folder: Path) -> tuple[str, str]:
    return f"logs={folder}/logs", f"cache={folder}/cache"


def run_folders(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "logs").iterdir() if path.is_dir())


def results_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())


def test_the_readme_s_command_on_the_embedded_collection(tmp_path: Path) -> None:
    command = ("metadata=tags", "m=3", "M=6", "epochs=2", *places(tmp_path))
    done = run_program("train.py", *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for shown in (
        "neighbours by tags",
        "Seconds: ",
        "Test images of openclipart",
        "visual_only",
        "neighborhood",
        "difference",
        "Written to",
    ):
        assert shown in done.stdout
    folders = {results_of(folder)["model"]: folder for folder in run_folders(tmp_path)}
    assert folders.keys() == {"neighborhood", "visual_only"}
    results = results_of(folders["neighborhood"])
    keys = {"mAP_L", "mAP_I", "Prec_L", "Rec_L", "Prec_I", "Rec_I", "Prec_O", "Rec_O"}
    assert keys <= results["val"].keys()
    assert keys <= results["test"].keys()
    assert results["config"]["M"] == 6
    assert results["split"] == 0
    assert "torch" in results["versions"]
    assert len(list(csv.DictReader((folders["neighborhood"] / "metrics.csv").open()))) == 2
    again = run_program("train.py", *command, cwd=ROOT)
    assert again.returncode == 0
    assert "Already finished" in again.stdout
    assert f"{results['test']['mAP_L']:.2f}" in again.stdout


@pytest.fixture
def running(made_up: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A job of many short epochs that is under way."""
    command = [sys.executable, str(ROOT / "train.py"), *long_job(made_up), *places(tmp_path / "cut")]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield process
    process.kill()
    process.wait()


def long_job(collection: Path) -> tuple[str, ...]:
    return ("data=collection", f"data.dir={collection}", "h=8", "epochs=60", "baseline=null")


@pytest.mark.slow
def test_a_job_killed_with_sigkill_ends_like_an_uninterrupted_one(
    made_up: Path, tmp_path: Path, running: subprocess.Popen[bytes]
) -> None:
    deadline = time.monotonic() + 120
    while not list((tmp_path / "cut").glob("logs/*/last.ckpt")):
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)
    running.send_signal(signal.SIGKILL)
    running.wait()
    (cut,) = run_folders(tmp_path / "cut")
    assert not (cut / "results.json").exists()
    first_attempt = len((cut / "metrics.csv").read_text().splitlines())
    resumed = run_program("train.py", *long_job(made_up), *places(tmp_path / "cut"), "resume=true", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    whole = run_program("train.py", *long_job(made_up), *places(tmp_path / "whole"), cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    (uncut,) = run_folders(tmp_path / "whole")
    assert 2 <= first_attempt < 61
    ours, theirs = results_of(cut), results_of(uncut)
    assert ours.pop("wall_time_s") > 0
    assert theirs.pop("wall_time_s") > 0
    assert ours == theirs
    assert cut.name == uncut.name
    assert (cut / "scores.npy").read_bytes() == (uncut / "scores.npy").read_bytes()
    assert not [path for path in cut.rglob("*") if path.name.endswith(".tmp")]


def test_weights_and_biases_offline(made_up: Path, tmp_path: Path) -> None:
    done = run_program(
        "train.py",
        "data=collection",
        f"data.dir={made_up}",
        "epochs=2",
        "h=8",
        "logger=wandb",
        *places(tmp_path),
        cwd=tmp_path,
        WANDB_MODE="offline",
        WANDB_SILENT="true",
    )
    assert done.returncode == 0, done.stderr
    recorded = {folder: list(folder.glob("wandb/offline-run-*/run-*.wandb")) for folder in run_folders(tmp_path)}
    assert len(recorded) == 2
    assert all(len(files) == 1 for files in recorded.values())
    (folder,) = (folder for folder in recorded if "relational" in folder.name)
    content = recorded[folder][0].read_bytes()
    for written in (b"val/mAP_L", b"train/loss", b"final/test/mAP_L", b"batch_size", folder.name.encode()):
        assert written in content, written
    tables = list(folder.glob("wandb/offline-run-*/files/media/table/final/*.json"))
    assert len(tables) == 1
    assert "mAP_L" in json.loads(tables[0].read_text())["columns"]


def test_weights_and_biases_without_a_key_goes_offline(made_up: Path, tmp_path: Path) -> None:
    environment = {"WANDB_SILENT": "true", "HOME": str(tmp_path), "WANDB_API_KEY": ""}
    done = run_program(
        "train.py", "data=collection", f"data.dir={made_up}", "debug=fast_batch", "h=8", "logger=wandb", *places(tmp_path), cwd=tmp_path, **environment
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "recorded offline" in done.stdout + done.stderr
    assert list(tmp_path.glob("logs/*/wandb/offline-run-*"))


def test_a_sweep_of_two_by_two_with_joblib(made_up: Path, tmp_path: Path) -> None:
    done = run_program(
        "train.py", "-m", "cluster=joblib", "split=0,1", "m=1,2", "epochs=1", "h=8", "data=collection", f"data.dir={made_up}", *places(tmp_path), cwd=tmp_path
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = [results_of(folder) for folder in run_folders(tmp_path)]
    jobs = {(r["model"], r["split"], r["config"].get("m")) for r in results}
    expected = {("neighborhood", split, m) for split in (0, 1) for m in (1, 2)}
    assert jobs == expected | {("visual_only", split, None) for split in (0, 1)}
    assert len(results) == 6  # the baseline of a split is trained once, although two jobs want it at the same time


def test_a_large_collection_from_a_features_file_is_trained_on(tmp_path: Path) -> None:
    """6,000 records, 1280-d float16 features, 20 labels, and only tags and sets."""
    rng = np.random.default_rng(0)
    topic = rng.integers(0, 20, 6000)
    np.save(
        tmp_path / "feats.npy",
        (rng.normal(0, 1, (20, 1280))[topic] * 0.1 + rng.normal(0, 1, (6000, 1280))).astype(np.float16),
    )
    with (tmp_path / "photos.jsonl").open("w") as file:
        for number, t in enumerate(topic.tolist()):
            record = {
                "id": str(number),
                "labels": [f"label{t}"],
                "tags": [f"t{t}-{tag}" for tag in rng.integers(0, 9, 3)],
                "sets": [f"set{number // 9}"],
            }
            file.write(json.dumps(record) + "\n")
    made = run_program(
        "prepare.py", "source=jsonl", "records=photos.jsonl", "features=feats.npy", "out=data/mine", cwd=tmp_path
    )
    assert made.returncode == 0, made.stderr
    done = run_program(
        "train.py",
        "data=collection",
        "data.dir=data/mine",
        "metadata=tags",
        "m=3",
        "epochs=1",
        *places(tmp_path),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    (results,) = (results_of(folder) for folder in run_folders(tmp_path) if "neighborhood" in folder.name)
    assert results["config"]["metadata"]["type"] == "tags"
    assert results["test"]["mAP_L"] > 20  # chance is 5: the topic is in features and tags
    refused = run_program(
        "train.py", "data=collection", "data.dir=data/mine", "metadata=groups", *places(tmp_path), cwd=tmp_path
    )
    assert refused.returncode == 1
    assert (
        refused.stderr == "train.py: metadata=groups: the collection in data/mine has no groups; it has tags, sets.\n"
    )


def test_ctrl_c_says_how_to_go_on(made_up: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "train.py"), *long_job(made_up), "epochs=5000", *places(tmp_path / "cut")]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore Ctrl-C, and so would what they start: this is a job in the foreground.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "cut").glob("logs/*/last.ckpt")) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert errors.strip().endswith("train.py: interrupted; start the same command again with resume=true to continue.")
    assert "Traceback" not in errors


def test_two_processes_see_every_image_once_and_one_writes(made_up: Path, tmp_path: Path) -> None:
    done = run_program(
        "train.py", "trainer=ddp", "trainer.accelerator=cpu", "data=collection", f"data.dir={made_up}", "epochs=2", "h=8", *places(tmp_path), cwd=tmp_path
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Written to") == 1
    folders = run_folders(tmp_path)
    assert len(folders) == 2
    collection = load_collection(made_up)
    for folder in folders:
        scores, rows = np.load(folder / "scores.npy"), np.load(folder / "rows.npy")
        assert len(np.unique(rows)) == len(rows) == len(scores) == 50
        labels = torch.from_numpy(collection.labels[rows].toarray())
        assert results_of(folder)["test"] == pytest.approx(annotation_metrics(torch.from_numpy(scores), labels))
        assert len(list(csv.DictReader((folder / "metrics.csv").open()))) == 2


def test_help_names_the_keys(tmp_path: Path) -> None:
    done = run_program("train.py", "--help", cwd=tmp_path)
    assert done.returncode == 0
    for key in ("metadata", "test_metadata", "tau", "pool", "split", "resume", "logger: csv, tensorboard, wandb"):
        assert key in done.stdout


# What makes a start slow are imports: which of them are missing is what can be asserted without a clock.
UNUSED_BY_HELP = ("torch", "pytorch_lightning", "numba", "scipy", "pyarrow", "matplotlib", "PIL")
UNUSED_BY_A_RUN = ("torchvision", "matplotlib", "scipy.signal", "scipy.stats", "wandb", "pyarrow.dataset")


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [(("--help",), UNUSED_BY_HELP), (("data=collection", "epochs=1", "h=8"), UNUSED_BY_A_RUN)],
)
def test_packages_that_are_not_needed_are_not_imported(
    made_up: Path, tmp_path: Path, arguments: tuple[str, ...], unused: tuple[str, ...]
) -> None:
    further = () if "--help" in arguments else (f"data.dir={made_up}", *places(tmp_path))
    code = (
        f"import runpy, sys; sys.argv = ['train.py', *{[*arguments, *further]!r}]\n"
        f"try: runpy.run_path({str(ROOT / 'train.py')!r}, run_name='__main__')\n"
        "except SystemExit as ended: assert not ended.code\n"
        f"print('LOADED', [name for name in {unused!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED []", done.stdout


def test_torchmetrics_alone_believes_that_packages_are_missing() -> None:
    """Whoever asks later, as a callback of Lightning's does, finds them."""
    code = (
        "from love_thy_neighbors.training.quick_import import import_lightning; import_lightning()\n"
        "from lightning_utilities.core import imports\n"
        "import torchmetrics.utilities.imports as torchmetrics\n"
        "found = [imports.RequirementCache(name) for name in ('torchvision', 'matplotlib', 'scipy')]\n"
        "assert all(found) and all(imports.package_available(one.requirement) for one in found)\n"
        "assert not torchmetrics._TORCHVISION_AVAILABLE and not torchmetrics._MATPLOTLIB_AVAILABLE\n"
        "import scipy.signal, torchvision, matplotlib"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "m=7",
            "m=7 is larger than M=6: a neighborhood of m images is drawn from the M nearest, so choose m at most M.",
        ),
        (
            "metadata=colours",
            f"metadata=colours: the collection in {ROOT}/data/openclipart has no colours; it has tags, sets, groups.",
        ),
        ("tau=0", "tau=0: tau must be a whole number, 1 or more."),
    ],
)
def test_a_mistake_is_told_in_one_sentence(tmp_path: Path, override: str, message: str) -> None:
    done = run_program("train.py", override, *places(tmp_path), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"train.py: {message}\n"
    assert not list(tmp_path.glob("logs/*/*"))
