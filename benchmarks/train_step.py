"""How long a training step takes beside its matrix products alone: python benchmarks/train_step.py.

At the paper's size (d = 4,096, h = 500, 81 labels, batches of 50, neighborhoods of 3), on a made-up collection in a
temporary folder, three things take turns in one process, so that all see the same machine:

    floor   the matrix products of a step alone: both towers and the output layer, forward and gradients
    step    a step as train.py does it: sampling, gather from the memory map, forward, backward, optimiser, logging,
            in Lightning's own loop
    plain   a straightforward loop: torch.optim.RMSprop, features and labels picked out by indexing

The last two train the same model on the same batches; each takes as many steps in turn as a call of Lightning's loop
has. Prints a table and last one line of JSON: medians over the turns of the milliseconds a step. The table also has the
time that a tenth of the turns stay below: other programs disturb it less. Exits with status 1 if the losses of one of
the first 20 steps differ by more than 1e-5 of their size. In a longer training rounding moves some hidden unit across
zero, and from there on the two are different trainings.
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
BATCH = 50  # images
COMPARED = 20  # steps
OTHERS = 500  # validation images, and test images
TOLERANCE = 1e-5
PARTS = ("input", "forward", "backward", "optimiser", "rest")


def composed(folder: Path, steps: int) -> dict[str, Any]:
    """The config of ``train.py data=synthetic`` for ``steps`` steps and one batch of validation."""
    overrides = [
        "data=synthetic",
        f"data.dir={folder / 'collection'}",
        f"data.split_sizes=[{steps * BATCH},{OTHERS},{OTHERS}]",
        f"cache={folder / 'cache'}",
        f"batch_size={BATCH}",
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
        calls = iter(data.batches["train"])
        self.batches: Iterator[IndexBatch] = (batch for call in calls for batch in call.steps(BATCH))
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


class Turns:
    """Times the calls of Lightning's loop and their parts, and lets the floor and the plain loop have turns between."""

    def __init__(self, data: NeighborhoodData, task: AnnotationTask, turns: dict[str, Callable[[], None]]) -> None:
        self.turns, self.loader, self.counted = turns, data.train_dataloader, task.counted
        self.times: dict[str, list[float]] = defaultdict(list)  # seconds a step, one for each call
        self.losses: list[Tensor] = []
        self.parts: dict[str, float] = defaultdict(float)  # of this call
        data.train_dataloader = self._timed_loader  # type: ignore[method-assign]
        data.gather = self._timed("gather", data.gather)  # type: ignore[method-assign]
        task.loss = self._timed("forward", task.loss)  # type: ignore[method-assign]
        task.step = self._timed("whole", task.step)  # type: ignore[method-assign]
        task.counted = self._counted  # type: ignore[method-assign]
        self.task = task

    def _timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            started = time.perf_counter()
            value = function(*arguments)
            self.parts[part] += time.perf_counter() - started
            return value

        return timed

    def _counted(self, loss: Tensor, images: int) -> Tensor:
        self.losses.append(loss.detach())
        return self.counted(loss, images)

    def _timed_loader(self) -> Any:
        outer, loader = self, self.loader()

        class Timed:
            def __len__(self) -> int:
                return len(loader)

            def __iter__(self) -> Iterator[Any]:
                optimizer = outer.task.trainer.optimizers[0]
                if "step" not in vars(optimizer):
                    optimizer.step = outer._timed("optimiser", optimizer.step)  # type: ignore[method-assign]
                batches = iter(loader)
                while True:
                    started = time.perf_counter()
                    batch = next(batches, None)
                    outer.parts["drawing"] += time.perf_counter() - started
                    if batch is None:
                        return
                    yield batch
                    outer._end_of_call(time.perf_counter() - started, -(-len(batch.rows) // BATCH))

        return Timed()

    def _end_of_call(self, seconds: float, steps: int) -> None:
        parts = self.parts
        parts["step"], parts["input"] = seconds, parts["drawing"] + parts["gather"]
        parts["backward"] = parts["whole"] - parts["gather"] - parts["forward"] - parts["optimiser"]
        parts["rest"] = seconds - parts["whole"] - parts["drawing"]
        for name in ("step", *PARTS):
            self.times[name].append(parts[name] / steps)
        self.parts.clear()
        for name, step in self.turns.items():
            started = time.perf_counter()
            for _ in range(steps):
                step()
            self.times[name].append((time.perf_counter() - started) / steps)


def measure(folder: Path, steps: int) -> tuple[dict[str, Tensor], float]:
    """Seconds of every step of everything, and the largest relative difference of two losses."""
    settings = settings_of(composed(folder, steps))
    training = settings.training
    assert training is not None
    data = make_data(settings)
    data.prepare_data()
    data.setup("fit")
    torch.manual_seed(hash_seed(settings.seed))
    task = make_task(settings, model_arguments(settings, data))
    floor, plain = Floor(task, training.batch_size, settings.neighborhoods.m), PlainLoop(task, data, settings)
    turns = Turns(data, task, {"floor": floor.step, "plain": plain.step})
    trainer = make_trainer(training, [], make_loggers(settings, folder), folder)
    trainer.fit(task, datamodule=data)
    losses, expected = torch.stack(turns.losses).double(), torch.tensor(plain.losses, dtype=torch.float64)
    first = min(len(expected), COMPARED)
    difference = ((losses[:first] - expected[:first]).abs() / expected[:first]).max().item()
    return {name: torch.tensor(times) for name, times in turns.times.items()}, difference


def main() -> int:
    """Make a collection, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500, help="steps of each of the three")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the matrix products")
    options = parser.parse_args()
    images = options.steps * BATCH + 2 * OTHERS
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        made = [f"images={images}", f"out={name}/collection"]
        command = [sys.executable, str(ROOT / "prepare.py"), "source=synthetic", *made]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times, difference = measure(Path(name), options.steps)
    shown = Table(
        title=f"{platform.processor() or platform.machine()}, {options.threads} threads, {options.steps} steps"
    )
    for heading in ("", "ms a step", "of the floor", "a tenth below, ms", "of the floor"):
        shown.add_column(heading, justify="right" if heading else "left")
    median, tenth = ({name: 1e3 * float(all_.quantile(q)) for name, all_ in times.items()} for q in (0.5, 0.1))
    for name in ("floor", "plain", "step", *PARTS):
        cells = [f"{one[name] / per:.2f}" for one in (median, tenth) for per in (1, one["floor"])]
        shown.add_row(("  " if name in PARTS else "") + name, *cells)
    Console().print(shown)
    print(f"the first losses of step and plain differ by at most {difference:.1e} of their size")
    print(json.dumps({f"{name}_ms": round(median[name], 2) for name in ("step", "floor", "input", "plain")}))
    return 0 if difference <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
