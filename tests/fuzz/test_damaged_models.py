"""Damaged and crafted models: they load, or one sentence names the file; sizes are compared before memory is taken."""

import json
import random
import re
import resource
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from damaged_values import damaged
from fuzz_tensors import ODD_TENSORS
from fuzz_worker import mutated

from conftest import made_up_table, short_run, write_made_up, write_old_checkpoint
from love_thy_neighbors import Annotator
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.runs.model_folder import CONFIDENCE, CONFIG, WEIGHTS, load_model
from love_thy_neighbors.visible import one_line

pytestmark = pytest.mark.xdist_group("damaged models")  # one process trains the run of these tests
CASES = 40
MEMORY = 16 << 30  # bytes of address space: torch alone maps a third of it


@pytest.fixture(scope="module")
def run(made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short_run(made_up, tmp_path_factory.mktemp("run"), "epochs=2")


@pytest.fixture
def model(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run / "model", tmp_path / "model"))


@pytest.fixture(autouse=True)
def _little_memory() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def try_cases(cases: range, path: Path, write: Callable[[random.Random], str], read: Callable[[], Any]) -> None:
    """Damage ``path`` by ``write`` and read it again. Any exception but a `UserError` of one sentence fails."""
    before, refused = path.read_bytes(), 0
    for number in cases:
        wounds = write(random.Random(f"{path.name} {number}"))
        try:
            read()
        except UserError as error:
            text = one_line(str(error))
            assert text.endswith("."), text
            assert len(text) < 2000
            refused += 1
        except Exception as error:
            pytest.fail(f"case {number}, {wounds!a}: {type(error).__name__}: {error}")
    path.write_bytes(before)
    assert refused > len(cases) / 10  # the damage is felt


def json_cases(cases: range, path: Path, read: Callable[[], Any]) -> None:
    values = json.loads(path.read_text())

    def write(rng: random.Random) -> str:
        value, wounds = damaged(values, rng)
        path.write_text(json.dumps(value))
        return wounds

    try_cases(cases, path, write, read)


def tensor_cases(cases: range, path: Path) -> None:
    values = torch.load(path, weights_only=True)

    def write(rng: random.Random) -> str:
        value, wounds = damaged(values, rng, ODD_TENSORS)
        torch.save(value, path)
        return wounds

    try_cases(cases, path, write, lambda: load_model(path))


def byte_cases(cases: range, path: Path, read: Callable[[], Any], head: int | None = None) -> None:
    content = path.read_bytes()
    head = len(content) if head is None else head

    def write(rng: random.Random) -> str:
        path.write_bytes(mutated(content[:head], rng) + content[head:])
        return "bytes"

    try_cases(cases, path, write, read)


def every_kind(cases: range, run: Path, model: Path, new: Path) -> None:
    def suggest() -> None:
        Annotator.load(model).suggest(collection=new)

    json_cases(cases, model / CONFIG, suggest)
    json_cases(cases, model / CONFIDENCE, suggest)
    byte_cases(cases, model / WEIGHTS, lambda: load_model(model), head=600)
    old = write_old_checkpoint(run, model.parent / "model.ckpt")
    byte_cases(cases, old, lambda: load_model(old))
    tensor_cases(cases, old)


def test_some_damaged_models(run: Path, model: Path, tmp_path: Path) -> None:
    every_kind(range(CASES), run, model, write_made_up(tmp_path / "new", *made_up_table(40, seed=3)))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_damaged_models(run: Path, model: Path, tmp_path: Path) -> None:
    every_kind(range(CASES, 1500), run, model, write_made_up(tmp_path / "new", *made_up_table(40, seed=3)))


HUGE: list[dict[str, Any]] = [
    {"hidden": 10**9},
    {"hidden": 10**18},
    {"hidden": 10**40},
    {"hidden": -1},
    {"hidden": "8"},
    {"hidden": None},
    {"dropout": 1e308},
    {"unknown": 1},
    {"self": 1},
]


@pytest.mark.parametrize("odd", HUGE, ids=map(str, HUGE))
def test_sizes_are_compared_with_the_weights_first(run: Path, model: Path, odd: dict[str, Any]) -> None:
    values = json.loads((model / CONFIG).read_text())
    values["model"]["arguments"] |= odd
    (model / CONFIG).write_text(json.dumps(values))
    with pytest.raises(UserError, match=re.escape(str(model))):
        load_model(model)
    old = write_old_checkpoint(run, model.parent / "model.ckpt", arguments=values["model"]["arguments"])
    with pytest.raises(UserError, match=re.escape(str(old))):
        load_model(old)


def test_a_missing_tau_is_named(model: Path) -> None:
    values = json.loads((model / CONFIG).read_text())
    del values["neighbours"]["test_metadata"]["tau"]
    (model / CONFIG).write_text(json.dumps(values))
    with pytest.raises(UserError, match="test_metadata.tau"):
        load_model(model)


def test_a_number_that_stands_for_a_trillion_is_no_weight(run: Path, tmp_path: Path) -> None:
    saved = torch.load(write_old_checkpoint(run, tmp_path / "model.ckpt"), weights_only=True)
    many = 10**6
    saved["arguments"] |= {"hidden": many, "dim": many}
    saved["weights"] = {
        "W_x.weight": torch.zeros(1).expand(many, many),
        "W_z.weight": torch.zeros(1).expand(many, many),
        "W_y.weight": torch.zeros(1).expand(len(saved["labels"]), 2 * many),
        "W_x.bias": torch.zeros(many),
        "W_z.bias": torch.zeros(many),
        "W_y.bias": torch.zeros(len(saved["labels"])),
    }
    torch.save(saved, tmp_path / "model.ckpt")
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "model.ckpt"))):
        load_model(tmp_path / "model.ckpt")


def test_a_compressed_checkpoint_is_refused(run: Path, tmp_path: Path) -> None:
    old = write_old_checkpoint(run, tmp_path / "model.ckpt", padding=torch.zeros(1_000_000))
    with zipfile.ZipFile(old) as file, zipfile.ZipFile(tmp_path / "bomb.ckpt", "w", zipfile.ZIP_DEFLATED) as bomb:
        for entry in file.infolist():
            bomb.writestr(entry.filename, file.read(entry))
    load_model(old)
    with pytest.raises(UserError, match="compressed"):
        load_model(tmp_path / "bomb.ckpt")


class ReadsItsWeights(torch.nn.Module):
    """A model of one's own whose constructor uses numbers of its weights."""

    def __init__(self, dim: int, labels: int) -> None:
        super().__init__()
        self.W = torch.nn.Linear(dim, labels)
        self.scale = float(self.W.weight.detach().std())


def test_a_model_that_reads_its_weights_when_it_is_made_still_loads(run: Path, tmp_path: Path) -> None:
    about = load_model(run)[1]
    made = ReadsItsWeights(3, len(about["labels"]))
    saved = {"name": "own", "arguments": {"dim": 3, "labels": len(about["labels"])}, "weights": made.state_dict()}
    torch.save(saved | {"labels": about["labels"], "config": {}}, tmp_path / "model.ckpt")
    loaded = load_model(tmp_path / "model.ckpt", ReadsItsWeights)[0]
    assert torch.equal(loaded.state_dict()["W.weight"], made.W.weight)
