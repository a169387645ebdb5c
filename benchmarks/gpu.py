"""Where the time goes on a GPU, and whether its results are those of the processor: python benchmarks/gpu.py.

Makes a collection of the paper's size in a temporary folder (190,253 images, 4,096 dimensions, 1.5 GiB) and measures

    whole       ``train.py data=synthetic baseline=null`` in a process of its own: 10 epochs, validation and test, with
                the neighbour lists; its imports alone; and what is left without them
    reading     the collection and the neighbour lists, a second time, in this process
    drawing     the row numbers of an epoch's batches, on the processor
    step        a step as trained, Lightning around it; and alone, as the CUDA graph that is replayed; this also in TF32
    parts       gather, forward, backward and RMSProp, each as a graph of its own; RMSProp also as PyTorch has it
    floor       the matrix products of a step alone, in a graph; and the largest of them, 150 x 4,096 x 500
    visual      neighbours by features: 4,000 of 40,000 images, and 110,000 of 110,000

and checks that without dropout an epoch gives the processor's weights, and that visual neighbours are the processor's.
Prints a table and last one line of JSON. Exits with status 1 if a check fails. Takes under four minutes on an H100.
``--device cpu --small`` runs all of it in seconds on the processor, where nothing is recorded: to try the program.
"""

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from measured_process import measured
from rich.console import Console
from rich.table import Table
from train_step import Floor

from love_thy_neighbors.jobs.build import make_data, make_task, make_trainer, model_arguments
from love_thy_neighbors.neighbors.euclidean import nearest_by_euclidean
from love_thy_neighbors.neighbors.euclidean_gpu import nearest_by_euclidean_on
from love_thy_neighbors.programs.start import plain, register_resolvers
from love_thy_neighbors.runs.settings import settings_of
from love_thy_neighbors.training.batches import hash_seed
from love_thy_neighbors.training.cuda_graph import in_a_cuda_graph
from love_thy_neighbors.training.data import NeighborhoodData
from love_thy_neighbors.training.task import AnnotationTask

ROOT = Path(__file__).resolve().parents[1]
CHECK = (5_000, 500, 500)  # images of the short training that both devices do
TOLERANCE = 1e-2  # of weights, as a share of their change: float32 sums have another order on a GPU
SIZES = {False: (190_253, 4096, 500), True: (6_000, 64, 32)}  # images, dimensions, hidden units; --small or not
VISUAL = {False: ((4_000, 40_000), (110_000, 110_000)), True: ((100, 1_000), (500, 500))}


class Fitted:
    """A model trained with Lightning on ``device``, with the seconds of its last epoch's steps."""

    def __init__(self, folder: Path, device: str, *overrides: str) -> None:
        where = [f"data.dir={folder / 'collection'}", f"cache={folder / 'cache'}"]
        register_resolvers()
        with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
            how = ["data=synthetic", *where, "trainer.enable_progress_bar=false", *overrides]
            trainer = "gpu" if device == "cuda" else "cpu"
            settings = settings_of(plain(compose("train", overrides=[*how, f"trainer={trainer}"])))
        started = time.perf_counter()
        self.data: NeighborhoodData = make_data(settings)
        self.data.prepare_data()
        self.reading = time.perf_counter() - started
        torch.manual_seed(hash_seed(settings.seed))
        self.task: AnnotationTask = make_task(settings, model_arguments(settings, self.data))
        self.start = [p.detach().clone() for p in self.task.model.parameters()]
        watch, training = Watch(device), settings.training
        assert training is not None
        make_trainer(training, [watch], [], folder).fit(self.task, datamodule=self.data)
        self.step_ms = 1e3 * watch.seconds / self.data.batches["train"].steps_an_epoch
        self.task.to(device)

    def change(self) -> list[torch.Tensor]:
        """By how much the training has changed the weights."""
        return [p.detach().cpu() - old for p, old in zip(self.task.model.parameters(), self.start, strict=True)]


class Watch(pl.Callback):
    """The seconds from the first step of an epoch to its validation."""

    def __init__(self, device: str) -> None:
        self.device, self.seconds = device, 0.0

    def on_train_epoch_start(self, *_: Any) -> None:
        self.started = now(self.device)

    def on_validation_start(self, *_: Any) -> None:
        self.seconds = now(self.device) - self.started


def now(device: str) -> float:
    """Seconds, after the device has done all its work."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def each_ms(device: str, work: Callable[[], Any], repeats: int) -> float:
    """Milliseconds of ``work``, recorded as a CUDA graph and replayed."""
    if device == "cuda":
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                work()
        torch.cuda.current_stream().wait_stream(stream)
        work = in_a_cuda_graph(work)
    work()
    started = now(device)
    for _ in range(repeats):
        work()
    return 1e3 * (now(device) - started) / repeats


def parts(fitted: Fitted, device: str, repeats: int) -> dict[str, float]:
    """Milliseconds of a step, of its parts and of the matrix products alone."""
    data, task = fitted.data, fitted.task.train()
    indices = next(iter(data.batches["train"])).each(lambda numbers: numbers[:50].to(device))
    batch = data.gather(indices)
    optimizer, theirs = task.configure_optimizers(), torch.optim.RMSprop(task.model.parameters(), capturable=True)
    for group in optimizer.param_groups:
        group["capturable"] = device == "cuda"

    def backward() -> torch.Tensor:
        optimizer.zero_grad()
        loss = task.loss(batch)
        loss.backward()
        return loss.detach()

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = task.loss(data.gather(indices))
        loss.backward()
        optimizer.step()
        return loss.detach()

    found = {"step_graph": each_ms(device, step, repeats)}
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
        found["step_graph_tf32"] = each_ms(device, step, repeats)
        torch.set_float32_matmul_precision("highest")
    found["gather"] = each_ms(device, lambda: data.gather(indices).x, repeats)
    found["forward"] = each_ms(device, lambda: task.loss(batch).detach(), repeats)
    found["backward"] = each_ms(device, backward, repeats) - found["forward"]
    found["rmsprop"] = each_ms(device, lambda: optimizer.step(), repeats)
    if device == "cuda":  # on the processor PyTorch's has no such argument
        found["rmsprop_pytorch"] = each_ms(device, lambda: theirs.step(), repeats)
    with torch.device(device):
        floor = Floor(task, 50, 3)
        found["floor"] = each_ms(device, floor.step, repeats)
        W, x, _, _ = floor.towers[1]
        found["addmm"] = each_ms(device, lambda: torch.nn.functional.linear(x, W), repeats)
    return {f"{name}_ms": value for name, value in found.items()}


def visual(folder: Path, device: str, sizes: tuple[tuple[int, int], ...]) -> tuple[dict[str, float], bool]:
    """Seconds of the searches, and whether the first gives the processor's lists."""
    (path,) = (folder / "collection" / "features").glob("*.npy")
    table = np.load(path, mmap_mode="r")
    seconds = {}
    for queries, pool in sizes:
        started = now(device)
        asked = np.arange(queries), np.arange(pool), 6
        lists = nearest_by_euclidean_on(torch.device(device), table, *asked)
        seconds[f"visual_{queries}_of_{pool}_s"] = now(device) - started
        if (queries, pool) == sizes[0]:
            same = np.array_equal(lists, nearest_by_euclidean(table, *asked))
    return seconds, same


def weights_agree(folder: Path, device: str, *overrides: str) -> float:
    """The difference of the weights that both devices give, as a share of their change in the training."""
    sizes = f"data.split_sizes={list(CHECK)}"
    ours, theirs = (Fitted(folder, one, sizes, "dropout=0", "epochs=1", *overrides).change() for one in (device, "cpu"))
    difference = torch.stack([(a - b).norm() for a, b in zip(ours, theirs, strict=True)]).norm()
    return float(difference / torch.stack([b.norm() for b in theirs]).norm())


def whole(folder: Path, device: str, *overrides: str) -> dict[str, float]:
    """Seconds of the program, of its imports, and of the rest."""
    trainer = "gpu" if device == "cuda" else "cpu"
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import love_thy_neighbors.jobs.train"], check=True)
    imports = time.perf_counter() - started
    places = (f"data.dir={folder / 'collection'}", f"cache={folder / 'cache_of_train'}", f"logs={folder / 'runs'}")
    seconds, _ = measured("train.py", "data=synthetic", f"trainer={trainer}", "baseline=null", *places, *overrides)
    (results,) = (folder / "runs").glob("*/results.json")
    training = json.loads(results.read_text())["wall_time_s"]
    return {"whole_s": seconds, "imports_s": imports, "rest_s": seconds - imports, "training_s": training}


def main() -> int:
    """Make a collection, measure, check, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="default cuda")
    parser.add_argument("--small", action="store_true", help="a small collection: the figures mean nothing")
    options = parser.parse_args()
    device: str = options.device
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("gpu.py: torch sees no GPU; --device cpu --small tries the program without one")
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    images, dim, hidden = SIZES[options.small]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measured("prepare.py", "source=synthetic", f"images={images}", f"dim={dim}", f"out={folder / 'collection'}")
        how = (f"h={hidden}", "data.split_sizes=[0.578,0.21,0.212]")  # 110,000, 40,000 and 40,253 of 190,253
        figures = whole(folder, device, *how, *(["epochs=2"] if options.small else []))
        Fitted(folder, device, *how, "epochs=1")
        fitted = Fitted(folder, device, *how, "epochs=2")
        figures |= {"reading_s": fitted.reading, "step_ms": fitted.step_ms}
        started = time.perf_counter()
        for _ in fitted.data.batches["train"]:
            pass
        figures["drawing_s"] = time.perf_counter() - started
        figures |= parts(fitted, device, 20 if options.small else 500)
        difference = weights_agree(folder, device, f"h={hidden}")
        seconds, same = visual(folder, device, VISUAL[options.small])
    card = torch.cuda.get_device_name() if device == "cuda" else "processor"
    table = Table("what", "measured", title=f"{card}, torch {torch.__version__}, {images:,} x {dim}")
    for key, value in (figures | seconds).items():
        table.add_row(key, f"{value:.3f}")
    Console().print(table)
    print(f"weights differ from the processor's by {difference:.1e} of their change")
    print(f"visual neighbours are {'' if same else 'NOT '}the processor's")
    rounded = {key: round(value, 3) for key, value in (figures | seconds).items()}
    print(json.dumps({"device": card, **rounded, "difference": difference, "same": same}))
    return 0 if same and difference <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
