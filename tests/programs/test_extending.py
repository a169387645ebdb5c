"""What docs/extending.md promises: a model, a metadata type, an experiment and a source are cheap to add."""

import json
import os
from pathlib import Path

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
