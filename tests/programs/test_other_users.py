"""Installed by one user and run by another: files that may not be read or written give a sentence with the right advice."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import ROOT, checked, settings, train_on
from fixtures.rights import COMMAND
from love_thy_neighbors.annotation.files import read_about
from love_thy_neighbors.collection.columns import has_column
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones.weights import read_state_dict
from love_thy_neighbors.jobs.job import finish
from love_thy_neighbors.ownership import known_names
from love_thy_neighbors.programs.machine import refusal
from love_thy_neighbors.runs.checkpoints import read_checkpoint
from love_thy_neighbors.runs.identity import run_name
from love_thy_neighbors.runs.model_folder import load_model
from love_thy_neighbors.runs.results import read_results
from love_thy_neighbors.sources.given_features import open_given
from love_thy_neighbors.sources.writing import partial_folder


@pytest.fixture(scope="module")
def trained(made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run below ``logs``."""
    place = tmp_path_factory.mktemp("trained")
    train_on(made_up, place)
    return place


def run_of(place: Path) -> Path:
    return next((place / "logs").iterdir())


def unpacked(path: Path) -> np.ndarray:
    np.savez(path, np.zeros((3, 2)))
    path.chmod(0)
    return open_given(path, path.parent)


READ: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "card": ("collection/card.json", lambda path: load_collection(path.parent)),
    "images": ("collection/images.parquet", lambda path: load_collection(path.parent)),
    "columns": ("collection/images.parquet", lambda path: has_column(path.parent, "owner")),
    "features": ("collection/features/made_up.npy", lambda path: load_collection(path.parents[1]).features),
    "given table": ("collection/features/made_up.npy", lambda path: open_given(path, path.parent)),
    "given archive": ("given.npz", unpacked),
    "results": ("run/results.json", lambda path: read_results(path.parent)),
    "checkpoint": ("run/last.ckpt", read_checkpoint),
    "weights": ("run/model/model.safetensors", lambda path: load_model(path.parent)),
    "description": ("run/model/config.json", lambda path: load_model(path.parent)),
    "network": ("network.pth", read_state_dict),
    "safe network": ("run/model/model.safetensors", read_state_dict),
    "annotation": ("annotation/annotation.json", lambda path: read_about(path.parent)),
}


@pytest.mark.usefixtures("rights_count")
@pytest.mark.parametrize("what", READ)
def test_a_file_that_may_not_be_read(made_up: Path, trained: Path, tmp_path: Path, what: str) -> None:
    name, read = READ[what]
    shutil.copytree(made_up, tmp_path / "collection")
    shutil.copytree(run_of(trained), tmp_path / "run")
    torch.save({"a": torch.zeros(1)}, tmp_path / "network.pth")
    (tmp_path / "annotation").mkdir()
    (tmp_path / "annotation" / "annotation.json").touch()
    if (tmp_path / name).exists():
        (tmp_path / name).chmod(0)
    with pytest.raises(OSError, match=r"[Pp]ermission denied") as found:
        read(tmp_path / name)
    sentence = refusal(found.value)
    assert sentence is not None
    assert sentence.startswith(f"{tmp_path / name}: may not be read")


@pytest.mark.usefixtures("rights_count")
def test_a_collection_in_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError) as found, partial_folder(tmp_path / "mine", known_names()):
        pass
    assert f"{tmp_path} may not be written" in str(refusal(found.value))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("rights_count")
def test_neighbours_in_a_cache_that_may_only_be_read(made_up: Path, trained: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(trained / "cache", cache)
    cache.chmod(0o500)
    train_on(made_up, tmp_path, "seed=1")  # its lists are there
    with pytest.raises(PermissionError) as found:
        train_on(made_up, tmp_path, "metadata=sets")
    cache.chmod(0o700)
    assert f"{cache} may not be written" in str(refusal(found.value))


@pytest.mark.usefixtures("rights_count")
@pytest.mark.parametrize("of", ["folder", "lock"])
def test_a_finished_run_that_may_only_be_read_is_read(
    made_up: Path, trained: Path, tmp_path: Path, of: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / run_of(trained).name
    shutil.copytree(run_of(trained), run)
    short = ("epochs=2", "h=8", "baseline=null", "trainer.enable_progress_bar=false", f"cache={tmp_path}/cache")
    made = checked(settings("data=collection", f"data.dir={made_up}", f"logs={tmp_path}", *short))
    assert run_name(made) == run.name
    before = read_results(run)
    (run / ".lock").chmod(0o400)
    if of == "folder":
        run.chmod(0o500)
    try:
        found = finish(made, run, overwrite=False, resume=False, wait=False, baseline_run="another")
        with pytest.raises(PermissionError):
            finish(made, run, overwrite=True, resume=False, wait=False)
    finally:
        run.chmod(0o700)
    assert found == before == read_results(run)
    assert str(run) in capsys.readouterr().out


def test_train_reads_a_finished_run_of_another_user_without_a_home(
    made_up: Path, trained: Path, tmp_path: Path
) -> None:
    if COMMAND is None:
        pytest.skip("the administrator's power over files cannot be given up here")
    logs = tmp_path / "logs"
    shutil.copytree(trained / "logs", logs)
    run = next(logs.iterdir())
    run.chmod(0o500)
    words = [f"data.dir={made_up}", f"logs={logs}", f"cache={trained}/cache", "epochs=2", "h=8", "baseline=null"]
    words.append("model=neighborhood")
    done = in_a_process(tmp_path, "data=collection", *words, "trainer.enable_progress_bar=false")
    again = in_a_process(tmp_path, "data=collection", *words, "trainer.enable_progress_bar=false", "overwrite=true")
    run.chmod(0o700)
    assert done.returncode == 0, done.stderr
    assert str(run) in done.stdout
    assert not (run / "hydra").exists()
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
    assert str(run) in again.stderr


def in_a_process(cwd: Path, *words: str) -> Any:
    import subprocess

    assert COMMAND is not None
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(ROOT / "src")}
    command = [*COMMAND, sys.executable, str(ROOT / "train.py"), *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.usefixtures("rights_count")
def test_logs_that_may_not_be_written(made_up: Path, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir(mode=0o500)
    with pytest.raises(PermissionError) as found:
        train_on(made_up, tmp_path)
    assert not isinstance(found.value, UserError)
    assert f"{tmp_path / 'logs'} may not be written" in str(refusal(found.value))
