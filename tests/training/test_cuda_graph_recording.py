"""Recording a step as a CUDA graph, with a made-up CUDA that only tells what is called in which order."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from love_thy_neighbors.training import cuda_graph as graphed


class Generator:
    """As much of a GPU's generator as a recording touches: how many numbers were drawn."""

    def __init__(self, drawn: int) -> None:
        self.drawn = drawn

    def clone_state(self) -> "Generator":
        return Generator(self.drawn)

    def graphsafe_set_state(self, other: "Generator") -> None:
        self.drawn = other.drawn


@pytest.mark.parametrize("fails", [False, True])
def test_a_cuda_graph_is_recorded_once_and_a_failure_leaves_generator_and_stream(
    monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """With a made-up CUDA, which only tells what is called in which order."""
    generator, streams, called = Generator(8), ["main"], []

    class Recording:
        def __init__(self, graph: object) -> None: ...

        def __enter__(self) -> None:
            streams.append("recording")

        def __exit__(self, *error: object) -> None:
            called.append("recorded")

    class Stream:
        def __init__(self, name: str) -> None:
            self.before = streams[-1]

        def __enter__(self) -> None: ...

        def __exit__(self, *error: object) -> None:
            streams.append(self.before)

    graph = SimpleNamespace(replay=lambda: called.append("replayed"))
    for name, value in {
        "current_device": lambda: 0,
        "default_generators": [generator],
        "CUDAGraph": lambda: graph,
        "current_stream": lambda: streams[-1],
        "stream": Stream,
        "graph": Recording,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)

    def step() -> Tensor:
        generator.drawn += 1
        called.append("step")
        if fails:
            raise RuntimeError("not while recording")
        return torch.ones(())

    if fails:
        with pytest.raises(RuntimeError, match="not while recording"):
            graphed.in_a_cuda_graph(step)
        assert generator.drawn == 8
    else:
        replay = graphed.in_a_cuda_graph(step)
        assert called == ["step", "recorded"]
        assert replay() is replay()
        assert called == ["step", "recorded", "replayed", "replayed"]
    assert streams[-1] == "main"
