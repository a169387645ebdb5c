"""Training steps on a GPU as one CUDA graph: gather, forward, loss, backward and RMSProp.

A step has some fifty small operations, and launching them one by one takes longer than the GPU needs for them. A CUDA
graph is recorded once and launched as a whole. It always uses the same memory: feature table, labels, weights and
RMSProp's state are on the GPU already, and the row numbers of a call's batches are copied into buffers.

Dropout is the same with and without the graph: its random numbers depend on the generator's seed and on how many were
drawn, and PyTorch gives both to the graph at each replay.

The first step of a graph is checked: it is undone and repeated in the ordinary way, and both must give the same
weights. Cases that the graph is not made for take the ordinary way: the smaller last batch of an epoch, sparse inputs
(their length differs from batch to batch), the exact average over neighborhoods, tables that do not fit, and all runs
whose steps Lightning does (`training.steps`).
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from love_thy_neighbors.training.batches import EXACT, IndexBatch
from love_thy_neighbors.training.data import NeighborhoodData
from love_thy_neighbors.training.schedules import constant
from love_thy_neighbors.training.task import AnnotationTask

log = logging.getLogger(__name__)

Step = Callable[[], Tensor]
Capture = Callable[[Step], Step]

WARM_UP = 3  # ordinary steps before the recording; they load libraries and make RMSProp's state
TOLERANCE = 1e-2  # largest difference of the graph's first step from the ordinary one, as a share of its length


def in_a_cuda_graph(step: Step) -> Step:
    """Record the GPU's work of ``step`` without doing it. Each call of the result does it and returns the loss.

    If PyTorch raises, random numbers and streams are restored and the exception is raised.
    """
    generator = torch.cuda.default_generators[torch.cuda.current_device()]
    random = generator.clone_state()
    graph = torch.cuda.CUDAGraph()
    try:
        # The outer context restores the stream; PyTorch does not when recording fails.
        with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph):
            loss = step()
    except BaseException:
        generator.graphsafe_set_state(random)  # else the generator would stay unusable
        raise

    def replay() -> Tensor:
        graph.replay()
        return loss

    return replay


class StepGraph:
    """One recorded training step, which is replayed for batch after batch of a call.

    A counter on the device says which batch of the call the next replay takes, so a step is one launch and no copy.

    Args:
        step: a whole step, from row numbers to new weights; returns the loss.
        batches: row numbers of a call, as many as any other call will have at most.
        size: images a batch.
        capture: records the step.
    """

    def __init__(self, step: Callable[[IndexBatch], Tensor], batches: IndexBatch, size: int, capture: Capture) -> None:
        self.buffers = batches.each(torch.clone)
        device = batches.rows.device
        self.place, self.images = torch.zeros((), dtype=torch.int64, device=device), torch.arange(size, device=device)
        self.replay = capture(lambda: self._next(step))

    def _next(self, step: Callable[[IndexBatch], Tensor]) -> Tensor:
        rows = self.place * len(self.images) + self.images
        loss = step(self.buffers.each(lambda numbers: numbers.index_select(0, rows)))
        self.place += 1
        return loss

    def takes(self, batches: IndexBatch) -> bool:
        """Whether the buffers are long enough for a call."""
        return len(batches.rows) <= len(self.buffers.rows)

    def load(self, batches: IndexBatch, place: int) -> None:
        """Copy the row numbers of a call. The next replay takes its batch number ``place``."""
        for buffer, numbers in zip(self.buffers, batches, strict=True):
            if buffer is not None and numbers is not None:
                buffer[: len(numbers)].copy_(numbers, non_blocking=True)
        self.place.fill_(place)


class CudaGraphTask(AnnotationTask):
    """`AnnotationTask` that replays training steps where it can, with the same results.

    Tests set ``capture`` (how steps are recorded) and ``device_type`` (on which devices).
    """

    capture: Capture = staticmethod(in_a_cuda_graph)
    device_type = "cuda"

    def on_train_start(self) -> None:
        super().on_train_start()
        self.graph: StepGraph | None = None
        self.ordinary = 0  # full batches that were not replayed
        self.is_recorded = (
            not self.automatic_optimization
            and self.device.type == self.device_type
            and can_be_recorded(self._data, self.device)
        )
        if self.is_recorded and self.device.type == "cuda":
            for group in self._optimizer().param_groups:
                group["capturable"] = True  # its step counter has to be on the GPU
                if self.share_of_lr is not constant:  # and so has a learning rate that changes
                    group["lr"] = torch.tensor(self.lr, device=self.device)
                for state in (self._optimizer().state.get(p, {}) for p in group["params"]):
                    state.update({key: value.to(self.device) for key, value in state.items()})

    def set_lr(self, lr: float) -> None:
        groups = self._optimizer().param_groups
        if any(not isinstance(group["lr"], Tensor) for group in groups):
            super().set_lr(lr)
            return
        for group in groups:
            group["lr"].fill_(lr)  # a new tensor would not be the one that the graph reads

    def take_steps(self, batches: IndexBatch) -> Tensor:
        if not self.is_recorded:
            return super().take_steps(batches)
        size = self._data.batch_size["train"]
        if self.graph is not None and self.graph.takes(batches):
            self.graph.load(batches, 0)
        for place, batch in enumerate(batches.steps(size)):
            if len(batch.rows) < size:
                loss = self.counted(self.step(batch), len(batch.rows))
            elif self.graph is None or not self.graph.takes(batches):
                loss = self._ordinary_step(batches, place, batch)
            else:  # `_record` has loaded this call's batches, if the graph is new
                loss = self.graph.replay()
                self.images, self.steps = self.images + size, self.steps + 1
        return loss

    def _ordinary_step(self, batches: IndexBatch, place: int, batch: IndexBatch) -> Tensor:
        """A step as without a graph, which is recorded and tried after the first few of them."""
        self.ordinary += 1
        trial = self._record(batches, place) if self.ordinary == WARM_UP + 1 else None
        with self._warm_up_stream():
            loss = self.step(batch)
        if trial is not None:
            self._check(*trial)
        return self.counted(loss, len(batch.rows))

    def on_train_end(self) -> None:
        self.graph, self.is_recorded = None, False

    def _recorded_step(self, batch: IndexBatch) -> Tensor:
        loss = self.step(batch)
        self.loss_sum += loss * len(batch.rows)
        return loss

    def _record(self, batches: IndexBatch, place: int) -> tuple[StepGraph, list[Tensor], list[Tensor]] | None:
        """Record a step, replay it for this batch and undo it; the weights before and after. None if it fails."""
        weights = [p.detach() for p in self.model.parameters()]
        of_optimizer = [value for one in self._optimizer().state.values() for value in one.values()]
        state = [*weights, *of_optimizer, self.loss_sum]
        before = [tensor.clone() for tensor in state]
        trial = None
        try:
            with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
                graph = StepGraph(self._recorded_step, batches, self._data.batch_size["train"], self.capture)
                graph.load(batches, place)
                graph.replay()
            trial = graph, before[: len(weights)], [weight.clone() for weight in weights]
        except RuntimeError as error:  # torch's, for memory too
            log.warning("Training steps are not recorded as a CUDA graph: %s", str(error).splitlines()[0])
        for tensor, old in zip(state, before, strict=True):
            tensor.copy_(old)
        return trial

    def _check(self, graph: StepGraph, before: list[Tensor], replayed: list[Tensor]) -> None:
        """Use the graph from now on if its step gave the same weights as the ordinary step."""
        ordinary = [p.detach() for p in self.model.parameters()]
        length, difference = (
            torch.stack([(a - b).norm() for a, b in zip(ordinary, others, strict=True)]).norm().item()
            for others in (before, replayed)
        )
        if difference <= TOLERANCE * length:
            self.graph = graph
        else:
            log.warning("Training steps are not replayed as a CUDA graph: its first step gave other weights")

    def _warm_up_stream(self) -> AbstractContextManager[Any]:
        """A side stream for the steps before the recording, as PyTorch's documentation demands."""
        if self.device.type != "cuda" or self.ordinary > WARM_UP:
            return nullcontext()
        return _side_stream()


@contextmanager
def _side_stream() -> Iterator[None]:
    """Work on a new stream that starts after the current one, which then waits for it."""
    outer, inner = torch.cuda.current_stream(), torch.cuda.Stream()
    inner.wait_stream(outer)
    with torch.cuda.stream(inner):
        yield
    outer.wait_stream(inner)


def can_be_recorded(data: NeighborhoodData, device: torch.device) -> bool:
    """Whether one recorded step can do all full batches. Moves the feature table to the device if it fits."""
    # The length of a sparse input differs between batches; the exact average copies its weights from the processor.
    if data.bags is not None or data.samples["train"] == EXACT:
        return False
    data.features.to(device)
    return data.features.table.device == device
