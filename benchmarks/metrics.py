"""The time of mAP_L and mAP_I at the paper's size: python benchmarks/metrics.py [--images 40253 --labels 81].

Scores and labels are made up, 2.4 labels per image as in NUS-WIDE; every fourth score is rounded, so that there are
ties. `love_thy_neighbors.metrics`, torchmetrics and scikit-learn compute the average precision of each label and each
image in one process, in turns, and the values are compared. Prints a table, and at the end one line of JSON with the
shortest times in seconds. Exits with status 1 if a value differs by more than 1e-5.

The other two have no mAP_I: they get the transposed arrays of a sample of the images, whose time is scaled up.
torchmetrics computes in float32.
"""

import argparse
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.metrics import average_precision_score
from torch import Tensor
from torchmetrics.functional.classification import multilabel_average_precision

from love_thy_neighbors.metrics import average_precision_per_image, average_precision_per_label

TOLERANCE = 1e-5
Function = Callable[[Tensor, Tensor], Tensor]  # [N, L] scores and labels -> average precision of each label


def made_up(images: int, labels: int) -> tuple[Tensor, Tensor]:
    """Scores in (0, 1) and labels [N, L], as frequent as 1 / rank; every image has at least one."""
    rng = np.random.default_rng(0)
    frequency = np.minimum(0.5, 1 / np.arange(1, labels + 1))
    truth = rng.random((images, labels)) < frequency * (2.4 / frequency.sum())
    truth[np.arange(images), rng.integers(0, labels, images)] |= ~truth.any(axis=1)
    scores = 1 / (1 + np.exp(-(2 * truth + rng.standard_normal(truth.shape) - 2)))
    scores[::4] = scores[::4].round(2)
    return torch.from_numpy(scores.astype(np.float32)), torch.from_numpy(truth.astype(np.int64))


def by_torchmetrics(scores: Tensor, labels: Tensor) -> Tensor:
    return multilabel_average_precision(scores, labels, num_labels=labels.shape[1], average="none")


def by_scikit_learn(scores: Tensor, labels: Tensor) -> Tensor:
    columns = zip(labels.t().numpy(), scores.t().numpy(), strict=True)
    return torch.tensor([average_precision_score(truth, score) for truth, score in columns])


def timed(function: Function, scores: Tensor, labels: Tensor) -> tuple[float, Tensor]:
    started = time.perf_counter()
    values = function(scores, labels)
    return time.perf_counter() - started, values


def main() -> int:
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=40_253)
    parser.add_argument("--labels", type=int, default=81)
    parser.add_argument("--sample", type=int, default=1_000, help="images of which the other two compute the AP")
    parser.add_argument("--repeats", type=int, default=5, help="the best of so many counts")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    scores, labels = made_up(options.images, options.labels)
    sample = min(options.sample, options.images)
    scale = options.images / sample
    few = scores[:sample].t().contiguous(), labels[:sample].t().contiguous()
    others = {"torchmetrics": by_torchmetrics, "scikit-learn": by_scikit_learn}
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ("ours", *others)}
    differences: dict[str, float] = dict.fromkeys(others, 0.0)
    average_precision_per_label(scores, labels)  # starts threads and allocates memory
    for _ in range(options.repeats):
        for place, function in enumerate((average_precision_per_label, average_precision_per_image)):
            seconds, ours = timed(function, scores, labels)
            times["ours"][place].append(seconds)
            for name, other in others.items():
                seconds, theirs = timed(other, *((scores, labels) if place == 0 else few))
                times[name][place].append(seconds * (scale if place else 1))
                difference = (ours[: len(theirs)] - theirs).abs().max().item()
                differences[name] = max(differences[name], difference)
    total = {name: min(label) + min(image) for name, (label, image) in times.items()}
    shown = Table(title=f"{platform.machine()}, {os.cpu_count()} cores, {options.images:,} x {options.labels}")
    for heading in ("", "mAP_L, s", "mAP_I, s", "together", "of ours", "largest difference"):
        shown.add_column(heading, justify="right" if heading else "left")
    for name, (label, image) in times.items():
        difference = f"{differences[name]:.1e}" if name in others else ""
        cells = f"{min(label):.3f}", f"{min(image):.3f}", f"{total[name]:.3f}", f"{total[name] / total['ours']:.0f}"
        shown.add_row(name, *cells, difference)
    Console().print(shown)
    print(f"mAP_I of the other two: {sample:,} images, time scaled up")
    result = {f"{name.replace('-', '_')}_s": round(seconds, 3) for name, seconds in total.items()}
    print(json.dumps(result | {"max_abs_diff": max(differences.values())}))
    return 0 if max(differences.values()) <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
