"""What docs/extending.md promises: a model, a metadata type, an experiment and a source are cheap to add."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from conftest import ROOT, run_program

MODEL = '''"""Scores from the image and the mean of its neighbours."""

import torch
from torch import Tensor, nn

from love_thy_neighbors.model import Pool


class MeanOfNeighbors(nn.Module):
    def __init__(self, dim: int, labels: int, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(2 * dim, width)
        self.output = nn.Linear(width, labels)

    def forward(self, x: Tensor, z: Tensor, mask: Tensor, pool: Pool) -> Tensor:
        shares = mask / mask.sum(dim=1, keepdim=True).clamp(min=1)
        mean = torch.einsum("bm,bmd->bd", shares, z)
        return self.output(torch.relu(self.hidden(torch.cat([x, mean], dim=1))))
'''
CONFIG = """# Scores from the image and the mean of its neighbours.
_target_: mean_of_neighbors.MeanOfNeighbors
name: mean_of_neighbors
trained: true
neighbors: true
values: null
arguments: {width: 8}
hyperparameters: {lr: 1e-3, l2: 1e-3, dropout: 0, epochs: 2}
"""


def test_a_model_is_a_module_and_a_config(made_up: Path, tmp_path: Path) -> None:
    (tmp_path / "mean_of_neighbors.py").write_text(MODEL)
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "mean_of_neighbors.yaml").write_text(CONFIG)
    common = (f"--config-dir={tmp_path}/configs", "model=mean_of_neighbors", "data=collection", f"data.dir={made_up}")
    places = (f"logs={tmp_path}/runs", f"cache={tmp_path}/cache", "baseline=null")
    path = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}/src"}
    for others in ((), ("test_metadata=sets",)):  # the second run loads the model of the first one
        done = run_program("train.py", *common, *places, *others, cwd=tmp_path, **path)
        assert done.returncode == 0, done.stderr
    results = [json.loads(file.read_text()) for file in (tmp_path / "runs").glob("*/results.json")]
    assert len(results) == 2
    assert {one["model"] for one in results} == {"mean_of_neighbors"}
    assert all(0 < one["test"]["mAP_L"] <= 100 for one in results)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("mean_of_neighbors.Mean", "no_such_module.Mean"), ("model._target_", "no_such_module")),
        (("mean_of_neighbors.MeanOfNeighbors", "pathlib.Path"), ("model._target_", "pathlib.Path")),
        (("width: 8", "widht: 8"), ("model.arguments", "widht")),
        (("hyperparameters: {lr: 1e-3, ", "hyperparameters: {"), ("lr", "configs/model/mean_of_neighbors.yaml")),
        (("trained: true\n", ""), ("model.trained", "configs/model")),
    ],
    ids=["module", "class", "argument", "hyperparameter", "key"],
)
def test_a_mistake_in_a_model_is_one_sentence(
    change: tuple[str, str], words: tuple[str, ...], made_up: Path, tmp_path: Path
) -> None:
    (tmp_path / "mean_of_neighbors.py").write_text(MODEL)
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "mean_of_neighbors.yaml").write_text(CONFIG.replace(*change))
    done = run_program(
        "train.py", f"--config-dir={tmp_path}/configs", "model=mean_of_neighbors", "data=collection",
        f"data.dir={made_up}", f"logs={tmp_path}/runs", f"cache={tmp_path}/cache", "baseline=null",
        cwd=tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}/src",
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def test_a_metadata_type_of_ones_own_needs_no_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    topic = rng.integers(0, 4, 120).tolist()
    np.save(tmp_path / "features.npy", np.eye(4, 16)[topic] + rng.normal(0, 0.8, (120, 16)))
    lines = [
        {"id": str(i), "labels": [f"label{t}"], "tags": [f"tag{i % 9}"], "cameras": [f"camera{t}"]}
        for i, t in enumerate(topic)
    ]
    (tmp_path / "photos.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = ("source=jsonl", "records=photos.jsonl", "features=features.npy", "out=mine")
    made = run_program("prepare.py", *source, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "cameras" in made.stdout

    mine = ("data=collection", "data.dir=mine", f"cache={tmp_path}/cache")
    lists = run_program("neighbors.py", *mine, "metadata=cameras", "test_metadata=tags", cwd=tmp_path)
    assert lists.returncode == 0, lists.stderr

    short = (*mine, f"logs={tmp_path}/logs", "epochs=1", "h=8", "baseline=null")
    swept = run_program("train.py", "-m", *short, "metadata=tags,cameras", "test_metadata=cameras", cwd=tmp_path)
    assert swept.returncode == 0, swept.stdout + swept.stderr
    configs = [json.loads(path.read_text())["config"] for path in tmp_path.glob("logs/*/results.json")]
    pairs = {(config["metadata"]["type"], config["test_metadata"]["type"]) for config in configs}
    assert pairs == {("cameras", "cameras"), ("tags", "cameras"), ("tags", "tags")}  # the last trains for the second
    assert {config["metadata"]["tau"] for config in configs if config["metadata"]["type"] == "cameras"} == {None}

    refused = run_program("train.py", *short, "metadata=camras", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("train.py: metadata=camras: ")
    assert refused.stderr.endswith("it has tags, cameras.\n")
