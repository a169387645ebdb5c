"""Collections that tests make up, and train.py as a person runs it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests run beside each other: threads that wait for a core that another process has cost six times the time.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pytest

from fixtures.rights import without_override
from love_thy_neighbors.collection.writing import write_collection
from love_thy_neighbors.programs.start import plain, register_resolvers
from love_thy_neighbors.runs.settings import Settings, settings_of

ROOT = Path(__file__).resolve().parents[1]


def made_up_table(images: int = 240, labels: int = 5, seed: int = 0) -> tuple[pa.Table, np.ndarray]:
    """Records whose tags, sets and groups go with a hidden topic, and features [N, 16] that show it through noise."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, labels, images)
    features = np.eye(labels, 16)[topic] + rng.normal(0, 0.8, (images, 16))
    second = rng.integers(0, labels, images)
    lists = {
        "labels": [
            sorted({f"label{a}", f"label{b}"} if i % 3 == 0 else {f"label{a}"})
            for i, (a, b) in enumerate(zip(topic, second, strict=True))
        ],
        "tags": [[f"tag{t}_{v}" for v in sorted(rng.choice(6, 2, replace=False))] for t in topic],
        "sets": [[f"set{i // 4}"] if i % 2 else [] for i in range(images)],
        "groups": [[f"group{t}"] for t in topic],
    }
    columns = {
        "id": [f"image{i}" for i in range(images)],
        "file": [f"{i}.jpg" for i in range(images)],
        "owner": ["someone"] * images,
    }
    schema = {name: pa.string() for name in columns} | {name: pa.list_(pa.string()) for name in lists}
    table = pa.table({name: pa.array(values, schema[name]) for name, values in (columns | lists).items()})
    return table, features.astype(np.float16)


def write_made_up(folder: Path, table: pa.Table, features: np.ndarray) -> Path:
    names = sorted({name for row in table["labels"].to_pylist() for name in row})
    write_collection(folder, table, {"name": "made-up", "labels": {"names": names}}, {"made_up": features})
    return folder


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of 240 images, to be read only."""
    return write_made_up(tmp_path_factory.mktemp("made-up") / "collection", *made_up_table())


def run_program(program: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the project as a subprocess, from any folder."""
    return subprocess.run(
        [sys.executable, str(ROOT / program), *arguments],
        cwd=cwd,
        env=os.environ | {"COLUMNS": "200"} | environment,
        capture_output=True,
        text=True,
        timeout=400,
        stdin=subprocess.DEVNULL,
    )


def settings(*overrides: str) -> dict[str, Any]:
    """The resolved config that a command line gives."""
    from hydra import compose, initialize_config_dir

    register_resolvers()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        return plain(compose("train", overrides=list(overrides)))


def checked(config: dict[str, Any]) -> Settings:
    """The settings of a resolved config, checked as train.py checks them."""
    from love_thy_neighbors.runs.requirements import check_collection

    made = settings_of(config)
    check_collection(made)
    return made


def train_on(collection: Path, place: Path, *overrides: str) -> dict[str, Any]:
    """The results of a short training on a collection, in this process; its files go below ``place``."""
    from love_thy_neighbors.jobs.job import finish
    from love_thy_neighbors.runs.identity import run_name

    short = ("epochs=2", "h=8", "baseline=null", "trainer.enable_progress_bar=false")
    places = (f"data.dir={collection}", f"logs={place}/logs", f"cache={place}/cache")
    made = checked(settings("data=collection", *places, *short, *overrides))
    folder = made.logs / run_name(made)
    results = finish(made, folder, overwrite=False, resume=False, wait=False)
    assert (folder / "results.json").is_file()
    return results


def short_run(collection: Path, place: Path, *overrides: str) -> Path:
    """The folder ``place``/run of a finished short training on a collection, in this process."""
    from love_thy_neighbors.jobs.job import finish

    short = ("h=8", "baseline=null", "trainer.enable_progress_bar=false")
    chosen = settings(*short, f"data={collection}", f"cache={place / 'cache'}", f"logs={place}", *overrides)
    finish(checked(chosen), place / "run", overwrite=False, resume=False, wait=True)
    return place / "run"


@pytest.fixture
def mean_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any backbone is one that gives a picture's mean colour: quick, and enough to tell made-up pictures apart."""
    from love_thy_neighbors.features import extraction as features

    def load(name: str, device: object, weights: Path | None = None) -> features.Backbone:
        return features.Backbone(
            "mean_colour", 3, "0" * 64, lambda pixels: pixels.mean(dim=(2, 3)), {"network": "none"}
        )

    monkeypatch.setattr(features, "load_backbone", load)


def write_old_checkpoint(run: Path, path: Path, **changed: Any) -> Path:
    """Write the model of a run as versions before 0.2 did, in one file."""
    import torch

    from love_thy_neighbors.runs.model_folder import load_model

    model, about = load_model(run)
    saved = {"labels": about["labels"], "config": about["config"], **about["model"], "weights": model.state_dict()}
    torch.save(saved | changed, path)
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The Chromium of this machine, without a window, as Playwright's Browser."""
    found = [path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path]
    if not found:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found[0], args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def rights_count() -> Iterator[None]:
    """Permissions of files hold for the administrator too, who may otherwise read and write everything."""
    with without_override() as done:
        if not done:
            pytest.skip("permissions do not count for this user")
        yield
