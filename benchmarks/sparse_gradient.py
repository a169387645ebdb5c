"""RMSProp's step from the errors that are not zero, beside the matrix product: python benchmarks/sparse_gradient.py.

One tower at the paper's size: W [500, 4096], a batch's 150 neighbours. For several shares of errors that are not zero,
these take turns in one process:

    sum       `rmsprop.FusedRMSprop` with a gradient given by its factors, those errors alone summed up
    product   the same with the factors multiplied out
    torch     the product, and `torch.optim.RMSprop`

Prints a table of medians and last one line of JSON. Exits with status 1 if weights differ by more than 1e-5. The share
below which the sum is used is `rmsprop.SPARSE`.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from love_thy_neighbors.programs.start import let_idle_threads_sleep

let_idle_threads_sleep()  # as train.py does, before torch is there

# ruff: noqa: E402
import torch

from love_thy_neighbors.training import rmsprop
from love_thy_neighbors.training.sparse_gradient import Factors

SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
SETTINGS = {"lr": 1e-4, "alpha": 0.99, "weight_decay": 3e-3}


def sides(W: torch.Tensor, factors: Factors) -> dict[str, tuple[torch.Tensor, Callable[[], None]]]:
    """The weights of each side, and its step."""
    made: dict[str, tuple[torch.Tensor, Callable[[], None]]] = {}
    for name, sparse in (("sum", 1.0), ("product", 0.0)):
        weight = torch.nn.Parameter(W.clone())
        weight.factors = [factors]  # type: ignore[attr-defined]
        made[name] = weight, _step(_after_many_steps(rmsprop.FusedRMSprop([weight], **SETTINGS)), sparse)
    weight = torch.nn.Parameter(W.clone())
    plain = _after_many_steps(torch.optim.RMSprop([weight], **SETTINGS))

    def step() -> None:
        weight.grad = factors.product()
        plain.step()

    made["torch"] = weight, step
    return made


def _after_many_steps(optimizer: torch.optim.RMSprop) -> torch.optim.RMSprop:
    """With mean squares of 1: those of a first step would blow the rounding of tiny gradients up to whole steps."""
    for weight in optimizer.param_groups[0]["params"]:
        optimizer.state[weight] = {"step": torch.zeros(()), "square_avg": torch.ones_like(weight)}
    return optimizer


def _step(optimizer: torch.optim.RMSprop, sparse: float) -> Callable[[], None]:
    def step() -> None:
        rmsprop.SPARSE = sparse
        optimizer.step()

    return step


def main() -> int:
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60, help="steps of each side and share")
    options = parser.parse_args()
    torch.manual_seed(0)
    x, W, largest, rows = torch.randn(150, 4096), torch.randn(500, 4096) / 64, 0.0, []
    for share in SHARES:
        factors = Factors(torch.randn(150, 500) * (torch.rand(150, 500) < share), x)
        made = sides(W, factors)
        seconds: dict[str, list[float]] = {name: [] for name in made}
        for _ in range(options.steps):
            for name, (_, step) in made.items():
                _ = x @ W.t()  # what comes before in training: the product's threads have just stopped
                started = time.perf_counter()
                step()
                seconds[name].append(time.perf_counter() - started)
        expected = made["torch"][0].detach()
        largest = max(largest, *(float((made[name][0].detach() - expected).abs().max()) for name in ("sum", "product")))
        rows.append({"share": share} | {f"{n}_ms": round(1e3 * sorted(s)[len(s) // 2], 2) for n, s in seconds.items()})
    table = Table(title=f"W [500, 4096], 150 rows, {os.cpu_count()} cores")
    for heading in rows[0]:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)
    print(json.dumps({"rows": rows, "max_abs_diff": largest}))
    return 0 if largest <= 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main())
