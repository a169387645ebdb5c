"""Models as TorchScript and ONNX: the same scores for other numbers of images and neighbours than in the example."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from love_thy_neighbors.baselines.sparse import Bag, BagLogistic, NeighborhoodTagVector
from love_thy_neighbors.baselines.visual import VisualMLP, VisualOnly
from love_thy_neighbors.model import NeighborhoodModel
from love_thy_neighbors.relational import RelationalModel

pytestmark = pytest.mark.filterwarnings("ignore::Warning:torch")  # torch plans to drop TorchScript
SIZES = [(1, 1), (5, 6), (2, 9)]  # images, neighbours


def inputs(images: int, neighbours: int) -> tuple[Tensor, Tensor, Tensor]:
    mask = torch.rand(images, neighbours) < 0.6
    mask[0] = False  # an image without neighbours
    return torch.randn(images, 7), torch.randn(images, neighbours, 7), mask


def bag(images: int) -> Bag:
    return Bag(torch.randint(9, (2 * images,)), 2 * torch.arange(images))


def made(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return model.eval()


@pytest.mark.parametrize(
    "model",
    [NeighborhoodModel(7, 4, 5), NeighborhoodTagVector(7, 4, 9, 5), VisualMLP(7, 4, 5), VisualOnly(7, 4)],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize(("images", "neighbours"), SIZES)
def test_torchscript_gives_the_same_scores(model: nn.Module, images: int, neighbours: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    made(model)
    torch.jit.script(model).save(str(tmp_path / "model.pt"))
    x, z, mask = inputs(images, neighbours)
    given: dict[str, Any] = {"x": x}
    if isinstance(model, NeighborhoodModel):
        given |= {"z": z, "mask": mask}
    if isinstance(model, NeighborhoodTagVector):
        given["bag"] = bag(images)
    expected = model(**given)
    loaded = torch.jit.load(str(tmp_path / "model.pt"))
    torch.testing.assert_close(loaded(**given), expected)


def test_torchscript_of_a_model_of_tags_alone() -> None:
    torch.manual_seed(0)
    model, x, tags = made(BagLogistic(7, 4, 9)), torch.randn(3, 7), bag(3)
    torch.testing.assert_close(torch.jit.script(model)(x, tags), model(x, tags))


def settings_of(exporter: str) -> dict[str, Any]:
    """The arguments of both exporters of torch for inputs of any length."""
    if exporter == "trace":
        axes = {0: "images", 1: "neighbours"}
        return {"dynamo": False, "dynamic_axes": {"x": {0: "images"}, "z": axes, "mask": axes}}
    images, neighbours = torch.export.Dim("images"), torch.export.Dim("neighbours")
    both = {0: images, 1: neighbours}
    return {"dynamo": True, "dynamic_shapes": {"x": {0: images}, "z": both, "mask": both}}


@pytest.mark.parametrize("exporter", ["trace", "dynamo"])
def test_onnx_gives_the_same_scores(exporter: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    model, path = made(NeighborhoodModel(7, 4, 5)), tmp_path / "model.onnx"
    names = ["x", "z", "mask"]
    torch.onnx.export(model, inputs(3, 4), path, input_names=names, verbose=False, **settings_of(exporter))
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for images, neighbours in SIZES:
        values = inputs(images, neighbours)
        found = session.run(None, {name: value.numpy() for name, value in zip(names, values, strict=True)})[0]
        torch.testing.assert_close(torch.from_numpy(found), model(*values).detach(), rtol=1e-4, atol=1e-4)


def relational_inputs(images: int) -> tuple[Tensor, Tensor, Tensor]:
    x, z, mask = inputs(images, 2)
    return x, z * mask.unsqueeze(-1), mask


def test_torchscript_of_the_relational_model(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = made(RelationalModel(7, 4, ["tags", "sets"], 5))
    torch.jit.script(model).save(str(tmp_path / "model.pt"))
    for images in (1, 5):
        values = relational_inputs(images)
        torch.testing.assert_close(torch.jit.load(str(tmp_path / "model.pt"))(*values), model(*values))


@pytest.mark.parametrize("dynamo", [False, True])
def test_onnx_of_the_relational_model(dynamo: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    model, path, names = made(RelationalModel(7, 4, ["tags", "sets"], 5)), tmp_path / "model.onnx", ["x", "z", "mask"]
    axis: Any = {0: torch.export.Dim("images")} if dynamo else {0: "images"}
    how: dict[str, Any] = {"dynamic_shapes" if dynamo else "dynamic_axes": dict.fromkeys(names, axis)}
    torch.onnx.export(model, relational_inputs(3), path, input_names=names, verbose=False, dynamo=dynamo, **how)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for images in (1, 5):
        values = relational_inputs(images)
        found = session.run(None, {name: value.numpy() for name, value in zip(names, values, strict=True)})[0]
        torch.testing.assert_close(torch.from_numpy(found), model(*values).detach(), rtol=1e-4, atol=1e-4)
