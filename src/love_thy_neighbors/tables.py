"""What a run prints: its config, the final table, and where everything is."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table

PAPER_METRICS = ("mAP_L", "mAP_I", "Rec_L", "Prec_L", "Rec_I", "Prec_I")  # Table 2's columns
METRICS = (*PAPER_METRICS, "Rec_O", "Prec_O")


def print_config(config: dict[str, Any]) -> None:
    """Print the composed config, but for the table of hyperparameters, whose values stand at the root."""
    data = {key: value for key, value in config["data"].items() if key != "hyperparameters"}
    text = OmegaConf.to_yaml(OmegaConf.create(config | {"data": data})).rstrip()
    Console().print(
        Panel(
            Syntax(text, "yaml", theme="ansi_light", background_color="default"),
            title="Config",
            expand=False,
        )
    )


def print_results(results: dict[str, Any], baseline: dict[str, Any] | None) -> None:
    """Print the test figures in percent beside the baseline's, with the differences (Table 2's columns)."""
    Console().print(results_table(results, baseline))


def results_table(results: dict[str, Any], baseline: dict[str, Any] | None) -> Table:
    """The table of `print_results`."""
    title = f"Test images of {results['collection']}, split {results['split']} (percent)"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("model", no_wrap=True)
    for metric in PAPER_METRICS:
        table.add_column(metric, justify="right", no_wrap=True)
    for run in [results] if baseline is None else [baseline, results]:
        table.add_row(run["model"], *(f"{run['test'][metric]:.2f}" for metric in PAPER_METRICS))
    if baseline is not None:
        gains = (results["test"][metric] - baseline["test"][metric] for metric in PAPER_METRICS)
        table.add_row("difference", *(f"{gain:+.2f}" for gain in gains), style="bold")
    left_out = results["test"]["labels_without_positives"]
    if left_out:
        table.caption = f"{left_out} labels without a test image are left out."
    return table


def print_skipped(folder: Path) -> None:
    """Say that a finished job is not done again."""
    Console().print(f"Already finished, so not trained again (overwrite=true does): {folder}", soft_wrap=True)


def print_places(folder: Path) -> None:
    """Print what was written where."""
    console = Console()
    console.print(f"Written to {folder}:", soft_wrap=True)
    for name, meaning in (
        ("results.json", "figures, config, versions"),
        ("metrics.csv", "curves"),
        ("model.ckpt", "the best epoch's model"),
        ("scores.npy", "label scores of the test images, whose rows are in rows.npy"),
        ("last.ckpt", "everything needed to train on"),
    ):
        console.print(f"  {name:13} {meaning}")
