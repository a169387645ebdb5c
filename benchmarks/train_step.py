"""How long a training step takes beside its matrix products alone: python benchmarks/train_step.py.

At the paper's size (d = 4,096, h = 500, 81 labels, batches of 50, neighborhoods of 3), on a made-up collection in a
temporary folder, three things take turns in one process, so that all see the same machine:

    floor   the matrix products of a step alone: both towers and the output layer, forward and gradients
    step    a step as train.py does it: sampling, gather from the memory map, forward, backward, optimiser, logging,
            in Lightning's own loop
    plain   a straightforward loop: torch.optim.RMSprop, features and labels picked out by indexing

The last two train the same model on the same batches. Prints a table and last one line of JSON: medians over the steps,
in milliseconds. The table also has the time that a tenth of the steps stay below: other programs disturb it less. Exits
with status 1 if the losses of any step differ by more than 1e-5 of their size.
"""

import argparse
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from love_thy_neighbors.programs.start import let_idle_threads_sleep, register_resolvers

let_idle_threads_sleep()  # as train.py does, before torch is there

# ruff: noqa: E402
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from love_thy_neighbors.jobs.build import make_data, make_task, make_trainer, model_arguments
from love_thy_neighbors.neighborhoods import mean_of_max
from love_thy_neighbors.programs.start import plain as resolved
from love_thy_neighbors.runs.settings import Settings, settings_of
from love_thy_neighbors.training.batches import IndexBatch, hash_seed
from love_thy_neighbors.training.data import NeighborhoodData
from love_thy_neighbors.training.loggers import make_loggers
from love_thy_neighbors.training.task import AnnotationTask

ROOT = Path(__file__).resolve().parents[1]
BLOCK = 20  # steps that each of the three does in turn
TOLERANCE = 1e-5
PARTS = ("input", "forward", "backward", "optimiser", "rest")


def composed(folder: Path, images: int, steps: int) -> dict[str, Any]:
    """The config of ``train.py data=synthetic`` for ``steps`` steps and one batch of validation."""
    sizes = [images - 2 * (images // 5), images // 5, images // 5]
    overrides = [
        "data=synthetic",
        f"data.dir={folder / 'collection'}",
        f"data.split_sizes={sizes}",
        f"cache={folder / 'cache'}",
        f"trainer.limit_train_batches={steps}",
        "trainer.limit_val_batches=1",
        "trainer.enable_progress_bar=false",
        "epochs=1",
    ]
    register_resolvers()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        return resolved(compose("train", overrides=overrides))


class Floor:
    """The matrix products of one step: W_x and W_z on 50 and 150 rows, W_y, and the gradients of all three."""

    def __init__(self, task: AnnotationTask, batch: int, m: int) -> None:
        (h, d), (labels, _) = task.model.W_x.weight.shape, task.model.W_y.weight.shape
        self.towers = [
            (torch.randn(h, d), torch.randn(rows, d), torch.randn(rows, h), torch.empty(h, d))
            for rows in (batch, batch * m)
        ]
        self.W_y, self.v = torch.randn(labels, 2 * h), torch.randn(batch, 2 * h)
        self.errors = torch.randn(batch, labels)

    def step(self) -> None:
        for W, x, _, _ in self.towers:
            x @ W.t()
        self.v @ self.W_y.t()
        self.errors.t() @ self.v
        self.errors @ self.W_y
        for _, x, error, gradient in self.towers:
            torch.mm(error.t(), x, out=gradient)


class PlainLoop:
    """Training as one would write it down, with the random numbers that the project's loop uses."""

    def __init__(self, task: AnnotationTask, data: NeighborhoodData, settings: Settings) -> None:
        self.model, self.data, self.m = deepcopy(task.model), data, settings.neighborhoods.m
        weights = [p for p in self.model.parameters() if p.ndim > 1]
        biases = [p for p in self.model.parameters() if p.ndim == 1]
        training = settings.training
        assert training is not None
        groups = [{"params": weights, "weight_decay": training.l2}, {"params": biases}]
        self.optimizer = torch.optim.RMSprop(groups, lr=training.lr, alpha=training.rmsprop_decay)
        self.batches: Iterator[IndexBatch] = iter(data.batches["train"])
        torch.manual_seed(hash_seed(settings.seed, 0, 0))
        self.random = torch.get_rng_state()
        self.losses: list[float] = []

    def step(self) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.random)
            rows, neighbors, _ = next(self.batches)
            assert neighbors is not None
            table = self.data.features.table
            x, z = table[rows].float(), table[neighbors.clamp(min=0)].float()
            y = self.data.labels[rows].float()
            self.optimizer.zero_grad()
            scores = self.model(x, z, neighbors >= 0, lambda v, mask: mean_of_max(v, mask, self.m))
            loss = binary_cross_entropy_with_logits(scores, y, reduction="sum") / len(scores)
            loss.backward()
            self.optimizer.step()
            self.losses.append(loss.item())
            self.random = torch.get_rng_state()


class TimedData:
    """Adds up what a batch costs until it is there: drawing it, and gathering its features and labels."""

    def __init__(self, data: NeighborhoodData) -> None:
        self.seconds = 0.0
        self.gather, self.loader = data.on_after_batch_transfer, data.train_dataloader
        data.on_after_batch_transfer = self._timed_gather  # type: ignore[method-assign]
        data.train_dataloader = self._timed_loader  # type: ignore[method-assign]

    def _timed_gather(self, *arguments: Any) -> Any:
        started = time.perf_counter()
        batch = self.gather(*arguments)
        self.seconds += time.perf_counter() - started
        return batch

    def _timed_loader(self) -> Any:
        outer, loader = self, self.loader()

        class Timed:
            def __len__(self) -> int:
                return len(loader)

            def __iter__(self) -> Iterator[Any]:
                batches = iter(loader)
                while True:
                    started = time.perf_counter()
                    batch = next(batches, None)
                    outer.seconds += time.perf_counter() - started
                    if batch is None:
                        return
                    yield batch

        return Timed()


class Turns(pl.Callback):
    """Times every step and its parts, and lets the floor and the plain loop have their turn after each block."""

    def __init__(self, data: NeighborhoodData, turns: dict[str, Callable[[], None]]) -> None:
        self.input, self.turns = TimedData(data), turns
        self.times: dict[str, list[float]] = defaultdict(list)
        self.losses: list[Tensor] = []
        self.marks: dict[str, float] = {}

    def _mark(self, name: str) -> None:
        self.marks[name] = time.perf_counter()

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._mark("begin")

    def on_train_batch_start(self, *_: Any) -> None:
        self._mark("forward")

    def on_before_backward(self, *_: Any) -> None:
        self._mark("backward")

    def on_before_optimizer_step(self, *_: Any) -> None:
        self._mark("optimiser")

    def on_train_batch_end(self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, *_: Any) -> None:
        self._mark("end")
        self.losses.append(outputs["loss"].detach())
        if len(self.losses) % BLOCK == 0:
            self._give_turns()
        if len(self.losses) % BLOCK != 1:  # the first one after a turn finds another's data in the cache
            marks = self.marks
            parts = {
                "step": marks["end"] - marks["begin"],
                "input": self.input.seconds,
                "forward": marks["backward"] - marks["forward"],
                "backward": marks["optimiser"] - marks["backward"],
                "optimiser": marks["end"] - marks["optimiser"],
            }
            parts["rest"] = 2 * parts["step"] - sum(parts.values())
            for name, seconds in parts.items():
                self.times[name].append(seconds)
        self.input.seconds = 0.0
        self._mark("begin")

    def _give_turns(self) -> None:
        for name, step in self.turns.items():
            for place in range(BLOCK):
                started = time.perf_counter()
                step()
                if place:
                    self.times[name].append(time.perf_counter() - started)


def measure(folder: Path, images: int, steps: int) -> tuple[dict[str, Tensor], float]:
    """Seconds of every step of everything, and the largest relative difference of two losses."""
    settings = settings_of(composed(folder, images, steps))
    training = settings.training
    assert training is not None
    data = make_data(settings)
    data.prepare_data()
    data.setup("fit")
    torch.manual_seed(hash_seed(settings.seed))
    task = make_task(settings, model_arguments(settings, data))
    floor, plain = Floor(task, training.batch_size, settings.neighborhoods.m), PlainLoop(task, data, settings)
    turns = Turns(data, {"floor": floor.step, "plain": plain.step})
    trainer = make_trainer(training, [turns], make_loggers(settings, folder), folder)
    trainer.fit(task, datamodule=data)
    losses, expected = torch.stack(turns.losses).double(), torch.tensor(plain.losses, dtype=torch.float64)
    difference = ((losses - expected).abs() / expected).max().item()
    return {name: torch.tensor(times) for name, times in turns.times.items()}, difference


def main() -> int:
    """Make a collection, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=30_000, help="images in the collection")
    parser.add_argument("--steps", type=int, default=300, help="steps of each of the three")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the matrix products")
    options = parser.parse_args()
    steps = options.steps // BLOCK * BLOCK
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        made = [f"images={options.images}", f"out={name}/collection"]
        command = [sys.executable, str(ROOT / "prepare.py"), "source=synthetic", *made]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times, difference = measure(Path(name), options.images, steps)
    shown = Table(title=f"{platform.processor() or platform.machine()}, {options.threads} threads, {steps} steps")
    for heading in ("", "ms a step", "of the floor", "a tenth below, ms", "of the floor"):
        shown.add_column(heading, justify="right" if heading else "left")
    median, tenth = ({name: 1e3 * float(all_.quantile(q)) for name, all_ in times.items()} for q in (0.5, 0.1))
    for name in ("floor", "plain", "step", *PARTS):
        cells = [f"{one[name] / per:.2f}" for one in (median, tenth) for per in (1, one["floor"])]
        shown.add_row(("  " if name in PARTS else "") + name, *cells)
    Console().print(shown)
    print(f"losses of step and plain differ by at most {difference:.1e} of their size")
    print(json.dumps({f"{name}_ms": round(median[name], 2) for name in ("step", "floor", "input", "plain")}))
    return 0 if difference <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
