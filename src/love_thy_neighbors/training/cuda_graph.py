"""Training steps on a GPU as one CUDA graph: gather, forward, loss, backward and RMSProp.

A step has some fifty small operations, and launching them one by one takes longer than the GPU needs for them. A CUDA
graph is recorded once and launched as a whole. It always uses the same memory, so the row numbers of a batch are copied
into fixed buffers; feature table, labels, weights and RMSProp's state are on the GPU already.

Dropout is the same with and without the graph: its random numbers depend on the generator's seed and on how many were
drawn, and PyTorch gives both to the graph at each replay.

The first step of a graph is checked: it is undone and repeated in the ordinary way, and both must give the same
weights. Cases that the graph is not made for take the ordinary way: smaller batches, several processes, clipped or
accumulated gradients, other precisions, sparse inputs, tables that do not fit.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from love_thy_neighbors.training.batches import EXACT, IndexBatch
from love_thy_neighbors.training.data import Batch, NeighborhoodData
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
    """One recorded training step. A call copies a batch into its buffers and replays the step.

    Args:
        step: a whole step, from row numbers to new weights; returns the loss.
        batch: a batch of the shape that all others will have.
        capture: records the step.
    """

    def __init__(self, step: Callable[[IndexBatch], Tensor], batch: IndexBatch, capture: Capture) -> None:
        self.batch = batch.each(torch.clone)
        self.replay = capture(lambda: step(self.batch))

    def __call__(self, batch: IndexBatch) -> Tensor:
        for buffer, numbers in zip(self.batch, batch, strict=True):
            if buffer is not None and numbers is not None:
                buffer.copy_(numbers, non_blocking=True)
        return self.replay()


class CudaGraphTask(AnnotationTask):
    """`AnnotationTask` that replays training steps where it can, with the same results.

    Tests set ``capture`` (how steps are recorded) and ``device_type`` (on which devices).
    """

    capture: Capture = staticmethod(in_a_cuda_graph)
    device_type = "cuda"

    def on_train_start(self) -> None:
        super().on_train_start()
        self.graph: StepGraph | None = None
        self.trial: tuple[StepGraph, list[Tensor], list[Tensor]] | None = None
        self.steps, self.replays = 0, False
        self.data: NeighborhoodData = getattr(self.trainer, "datamodule")  # noqa: B009  # mypy does not know of it
        self.data.leaves_rows = self.device.type == self.device_type and can_be_recorded(
            self.trainer, self.data, self.device
        )
        if self.data.leaves_rows and self.device.type == "cuda":
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

    def on_train_batch_start(self, batch: Batch | IndexBatch, batch_idx: int) -> None:
        self.replays = False
        if isinstance(batch, IndexBatch) and len(batch.rows) == self.data.batch_size["train"]:
            self.replays = self.graph is not None
            self.steps += 1
            if self.steps == WARM_UP + 1:
                self._record(batch)

    def training_step(self, batch: Batch | IndexBatch, batch_idx: int) -> Tensor:
        if not isinstance(batch, IndexBatch):
            return super().training_step(batch, batch_idx)
        if self.replays:
            assert self.graph is not None
            return self.counted(self.graph(batch), len(batch.rows))
        return super().training_step(self.data.gather(batch), batch_idx)

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        if self.replays:
            assert optimizer_closure is not None
            optimizer_closure()  # calls `training_step` alone: the graph does the rest
            return
        with self._warm_up_stream():
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: torch.optim.Optimizer) -> None:
        if not self.replays:
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        if not self.replays:
            super().backward(loss, *args, **kwargs)

    def on_train_batch_end(self, outputs: Any, batch: Batch | IndexBatch, batch_idx: int) -> None:
        if self.trial is not None:
            self._check(*self.trial)
            self.trial = None

    def on_train_end(self) -> None:
        self.graph, self.replays, self.data.leaves_rows = None, False, False

    def _optimizer(self) -> torch.optim.Optimizer:
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        return optimizer

    def _whole_step(self, batch: IndexBatch) -> Tensor:
        optimizer = self._optimizer()
        optimizer.zero_grad(set_to_none=True)  # so that the gradients' memory is the graph's
        with torch.enable_grad():
            loss = self.loss(self.data.gather(batch))
            loss.backward()
        optimizer.step()
        return loss.detach()

    def _record(self, batch: IndexBatch) -> None:
        """Record a step, replay it for this batch and undo it. The ordinary step and `_check` follow."""
        weights = [p.detach() for p in self.model.parameters()]
        state = weights + [value for one in self._optimizer().state.values() for value in one.values()]
        before = [tensor.clone() for tensor in state]
        try:
            with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
                graph = StepGraph(self._whole_step, batch, self.capture)
                graph(batch)
            self.trial = graph, before[: len(weights)], [weight.clone() for weight in weights]
        except RuntimeError as error:  # torch's, for memory too
            log.warning("Training steps are not recorded as a CUDA graph: %s", str(error).splitlines()[0])
        for tensor, old in zip(state, before, strict=True):
            tensor.copy_(old)

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
        if self.device.type != "cuda" or not self.data.leaves_rows or self.steps > WARM_UP:
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


def can_be_recorded(trainer: pl.Trainer, data: NeighborhoodData, device: torch.device) -> bool:
    """Whether one recorded step can do all full batches of a run. Moves the feature table to the device if it fits."""
    if trainer.world_size > 1 or trainer.precision != "32-true":
        return False
    if trainer.gradient_clip_val or trainer.accumulate_grad_batches != 1:
        return False
    # The length of a sparse input differs between batches; the exact average copies its weights from the processor.
    if data.bags is not None or data.samples["train"] == EXACT:
        return False
    data.features.to(device)
    return data.features.table.device == device
