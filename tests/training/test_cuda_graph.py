"""Recorded training steps, with the recording left out: the same training, and what happens where it cannot be had.

On the processor a step that is "recorded" is called again at each replay. What a CUDA graph itself does is not tested.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from conftest import checked, settings
from love_thy_neighbors.jobs.build import make_data, make_task, make_trainer, model_arguments
from love_thy_neighbors.training import cuda_graph as graphed
from love_thy_neighbors.training import steps as steps_module
from love_thy_neighbors.training.batches import IndexBatch, hash_seed
from love_thy_neighbors.training.cuda_graph import WARM_UP, CudaGraphTask, StepGraph, can_be_recorded
from love_thy_neighbors.training.snapshots import Snapshots
from love_thy_neighbors.training.task import AnnotationTask

Step = Callable[[], Tensor]


class Epochs(pl.Callback):
    """The loss of every epoch, and of every step if a subclass looks at them."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.epochs: list[float] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self.epochs.append(float(trainer.callback_metrics["train/loss"]))


class Losses(Epochs):
    """Also the loss of every step, so each step is a call of its own."""

    def on_train_batch_end(self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, *_: Any) -> None:
        self.losses.append(float(outputs["loss"]))


class Recorder:
    """In place of a recording: counts what was recorded and replayed."""

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, step: Step) -> Step:
        self.recorded += 1

        def replay() -> Tensor:
            self.replayed += 1
            return step()

        return replay


class Run:
    """A short training in the folder ``place``; ``capture`` None for the ordinary task."""

    def __init__(
        self,
        collection: Path,
        place: Path,
        capture: Callable[[Step], Step] | None,
        *overrides: str,
        epochs: int = 3,
        checkpoint: Path | None = None,
        device_type: str = "cpu",
        losses: type[Epochs] = Losses,
    ) -> None:
        how = ("h=8", "batch_size=20", "trainer.enable_progress_bar=false", f"epochs={epochs}")
        config = checked(
            settings("data=collection", f"data.dir={collection}", f"cache={place}/cache", *how, *overrides)
        )
        (place / "run").mkdir(parents=True, exist_ok=True)
        self.data = make_data(config)
        arguments = model_arguments(config, self.data)
        torch.manual_seed(hash_seed(config.seed))
        if capture is None:
            self.task = make_task(config, arguments)
            assert type(self.task) is AnnotationTask
        else:
            self.task = make_task(
                replace(config, training=replace(config.training, trainer={"accelerator": "gpu"})), arguments
            )
            assert isinstance(self.task, CudaGraphTask)
            self.task.capture, self.task.device_type = capture, device_type
        self.losses = losses()
        snapshots = Snapshots(place / "run", {})
        self.trainer = make_trainer(config.training, [self.losses, snapshots], [], place)
        self.trainer.fit(self.task, datamodule=self.data, ckpt_path=checkpoint, weights_only=True)
        self.checkpoint = place / "run" / "last.ckpt"

    def assert_same(self, other: "Run") -> None:
        if isinstance(self.losses, Losses) and isinstance(other.losses, Losses):
            assert self.losses.losses == other.losses.losses
        assert self.losses.epochs == other.losses.epochs
        for ours, theirs in zip(self.task.model.parameters(), other.task.model.parameters(), strict=True):
            assert torch.equal(ours, theirs)
        assert self.trainer.global_step == other.trainer.global_step


@pytest.fixture(scope="module")
def ordinary(made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(made_up, tmp_path_factory.mktemp("ordinary"), None)


@pytest.mark.parametrize("steps", [2, 3, 50])
@pytest.mark.parametrize("records", [False, True])
def test_several_steps_a_call_train_as_one_does(
    ordinary: Run, made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, records: bool
) -> None:
    monkeypatch.setattr(steps_module, "STEPS", steps)
    recorder = Recorder()
    run = Run(made_up, tmp_path, recorder if records else None, losses=Epochs)
    assert run.trainer.num_training_batches == -(-ordinary.trainer.num_training_batches // steps)
    run.assert_same(ordinary)
    if records:
        assert recorder.recorded == 1
        assert recorder.replayed == full_batches(run) - WARM_UP - 1 + 1
    ours, theirs = (torch.load(one.checkpoint, weights_only=True) for one in (run, ordinary))
    for key in ("global_step", "loops", "epoch"):
        assert ours[key] == theirs[key]


@pytest.mark.parametrize("first", [1, 3])
def test_a_run_goes_on_with_other_steps_a_call(
    ordinary: Run, made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """A checkpoint does not depend on it."""
    kinds = [Losses, Epochs] if first == 1 else [Epochs, Losses]
    monkeypatch.setattr(steps_module, "STEPS", 3)
    begun = Run(made_up, tmp_path, None, epochs=1, losses=kinds[0])
    (tmp_path / "first.ckpt").write_bytes(begun.checkpoint.read_bytes())
    run = Run(made_up, tmp_path, None, checkpoint=tmp_path / "first.ckpt", losses=kinds[1])
    assert begun.losses.epochs + run.losses.epochs == ordinary.losses.epochs
    for ours, theirs in zip(run.task.model.parameters(), ordinary.task.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert run.trainer.global_step == ordinary.trainer.global_step


def full_batches(run: Run) -> int:
    return 3 * (len(run.data.split.rows["train"]) // 20)


def test_replayed_steps_train_as_ordinary_ones_do(ordinary: Run, made_up: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    run = Run(made_up, tmp_path, recorder)
    run.assert_same(ordinary)
    # Dropout was at work, seeded anew each epoch, and each epoch had a smaller last batch.
    assert run.task.model.dropout.p > 0  # type: ignore[union-attr]
    assert len(run.data.split.rows["train"]) % 20
    assert recorder.recorded == 1
    # All full batches after the warm-up and the trial, and the trial itself.
    assert recorder.replayed == full_batches(run) - WARM_UP - 1 + 1
    assert len(run.losses.losses) == len(ordinary.losses.losses) > full_batches(run)


@pytest.mark.parametrize("model", ["visual_only", "visual_mlp", "relational"])
def test_other_models_are_replayed_too(made_up: Path, tmp_path: Path, model: str) -> None:
    recorder = Recorder()
    run = Run(made_up, tmp_path / "a", recorder, f"model={model}", epochs=2)
    run.assert_same(Run(made_up, tmp_path / "b", None, f"model={model}", epochs=2))
    assert recorder.replayed > 1


def test_a_learning_rate_on_the_gpu_is_changed_in_place(made_up: Path, tmp_path: Path) -> None:
    """A graph reads it where it was when the step was recorded."""
    run = Run(made_up, tmp_path, Recorder(), "schedule=cosine", "lr=0.01", epochs=2)
    groups = run.trainer.optimizers[0].param_groups
    assert [group["lr"] for group in groups] == [pytest.approx(0.005)] * 2  # of the last epoch
    for group in groups:
        group["lr"] = torch.tensor(0.005)
    before = [group["lr"] for group in groups]
    run.task.set_lr(0.002)
    assert all(group["lr"] is old for group, old in zip(groups, before, strict=True))
    assert [group["lr"].item() for group in groups] == [pytest.approx(0.002)] * 2


@pytest.mark.parametrize("graphed_first", [True, False])
def test_a_run_goes_on_from_a_checkpoint_of_the_other_kind(
    ordinary: Run, made_up: Path, tmp_path: Path, graphed_first: bool
) -> None:
    recorder = Recorder()
    captures = [recorder, None] if graphed_first else [None, recorder]
    first = Run(made_up, tmp_path, captures[0], epochs=1)
    # As a GPU's run leaves it.
    saved = torch.load(first.checkpoint, weights_only=True)
    for group in saved["optimizer_states"][0]["param_groups"]:
        group["capturable"] = graphed_first
    torch.save(saved, tmp_path / "first.ckpt")
    second = Run(made_up, tmp_path, captures[1], epochs=3, checkpoint=tmp_path / "first.ckpt")
    assert first.losses.losses + second.losses.losses == ordinary.losses.losses
    for ours, theirs in zip(second.task.model.parameters(), ordinary.task.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert second.trainer.global_step == ordinary.trainer.global_step
    assert recorder.recorded == 1
    assert not any(group["capturable"] for group in second.trainer.optimizers[0].param_groups)


def refuses(step: Step) -> Step:
    raise RuntimeError("operation not permitted when stream is capturing\nand more")


def refuses_half_way(step: Step) -> Step:
    step()  # weights, gradients, RMSProp's state and random numbers have gone on
    raise torch.OutOfMemoryError("CUDA out of memory.")


def forgets_the_update(step: Step) -> Step:
    return lambda: torch.zeros(())


def updates_twice(step: Step) -> Step:
    def replay() -> Tensor:
        step()
        return step()

    return replay


@pytest.mark.parametrize(
    ("capture", "message"),
    [
        (refuses, "not recorded as a CUDA graph: operation not permitted when stream is capturing"),
        (refuses_half_way, "not recorded as a CUDA graph: CUDA out of memory."),
        (forgets_the_update, "its first step gave other weights"),
        (updates_twice, "its first step gave other weights"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_recording_that_fails_or_is_wrong_changes_nothing(
    ordinary: Run,
    made_up: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    capture: Callable[[Step], Step],
    message: str,
) -> None:
    monkeypatch.setattr(steps_module, "STEPS", 6)  # the tried step is not the last of a call
    run = Run(made_up, tmp_path, capture, losses=Epochs)
    run.assert_same(ordinary)
    (logged,) = (record.message for record in caplog.records if record.name == graphed.__name__)
    assert logged.endswith(message)


def test_the_batches_of_a_call_are_copied_into_buffers_that_stay() -> None:
    seen: list[tuple[list[int], list[list[int]]]] = []

    def step(batch: IndexBatch) -> Tensor:
        assert batch.neighbors is not None
        seen.append((batch.rows.tolist(), batch.neighbors.tolist()))
        return torch.zeros(())

    first, second = (IndexBatch(torch.arange(n, n + 4), torch.arange(n, n + 4).view(4, 1)) for n in (10, 20))
    graph = StepGraph(step, first, 2, lambda step: step)
    buffers = graph.buffers.rows.data_ptr()
    graph.load(first, 1)
    graph.replay()
    graph.load(second, 0)
    graph.replay(), graph.replay()
    assert seen == [([n, n + 1], [[n], [n + 1]]) for n in (12, 20, 22)]
    assert graph.buffers.rows.data_ptr() == buffers != first.rows.data_ptr()
    assert first.rows.tolist() == [10, 11, 12, 13]
    assert graph.takes(IndexBatch(torch.arange(3), None))
    assert not graph.takes(IndexBatch(torch.arange(5), None))


@pytest.mark.parametrize(
    "override",
    [
        "+trainer.gradient_clip_val=1.0",
        "+trainer.accumulate_grad_batches=2",
        "trainer.precision=bf16-mixed",
        "neighborhoods.train=exact",
        "model=neighborhood_tagvec",
    ],
)
def test_what_a_graph_is_not_made_for_takes_the_ordinary_way(made_up: Path, tmp_path: Path, override: str) -> None:
    recorder = Recorder()
    run = Run(made_up, tmp_path / "a", recorder, override, epochs=1)
    assert recorder.recorded == 0
    run.assert_same(Run(made_up, tmp_path / "b", None, override, epochs=1))


def test_tables_that_do_not_fit_take_the_ordinary_way(ordinary: Run) -> None:
    assert can_be_recorded(ordinary.data, torch.device("cpu"))
    assert not can_be_recorded(ordinary.data, torch.device("meta"))  # where `FeatureTable.to` finds no memory


def test_a_gpu_task_on_another_device_is_the_ordinary_one(ordinary: Run, made_up: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    run = Run(made_up, tmp_path, recorder, device_type="cuda")
    assert recorder.recorded == 0
    run.assert_same(ordinary)


def test_scores_after_training_are_those_of_the_ordinary_task(ordinary: Run, made_up: Path, tmp_path: Path) -> None:
    run = Run(made_up, tmp_path, Recorder())
    scores = []
    for one in (run, ordinary):
        one.trainer.test(one.task, datamodule=one.data, verbose=False)
        scores.append(one.task.scores.numpy())
    np.testing.assert_array_equal(*scores)
