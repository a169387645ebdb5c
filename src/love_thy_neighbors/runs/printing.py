"""The output of a run: its config, the final table, and the list of its files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from rich import box
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table

from love_thy_neighbors.runs.model_folder import NONE, read_confidence
from love_thy_neighbors.runs.results import MODEL
from love_thy_neighbors.runs.rules import ALL
from love_thy_neighbors.runs.settings import NeighborSettings, Settings
from love_thy_neighbors.terminal import terminal
from love_thy_neighbors.visible import say

PAPER_METRICS = ("mAP_L", "mAP_I", "Rec_L", "Prec_L", "Rec_I", "Prec_I")  # Table 2's columns
METRICS = (*PAPER_METRICS, "Rec_O", "Prec_O")


def print_start(settings: Settings, folder: Path) -> None:
    """Print in one line what a run is about; the whole config is in the run's folder."""
    terminal(highlight=False, soft_wrap=True).print(start_line(settings, folder))


def start_line(settings: Settings, folder: Path) -> str:
    """Collection, measure or model, neighbours, m and M where there are any, split, and the run's folder."""
    parts = [settings.collection.name]
    if settings.measure != "annotation":
        parts.append(settings.measure)
    if settings.has_model:
        parts.append(settings.model.name)
        if settings.model.neighbors:
            neighbors = settings.neighbors
            kinds = _kinds(neighbors)
            parts += [
                f"neighbours by {', at test time by '.join(kinds)}",
                f"M={neighbors.M}" if settings.model.relational else f"m={settings.neighborhoods.m} M={neighbors.M}",
            ]
    if settings.measure != "statistics":
        parts.append(f"split {settings.split.number}")
    return f"{', '.join(parts)}: {folder}"


def _kinds(neighbors: NeighborSettings) -> list[str]:
    """The metadata types that choose neighbours in training, and at test time if they are others there."""
    each = "each metadata type" if neighbors.relations is None else " and ".join(neighbors.relations)
    types = (neighbors.metadata.type, neighbors.test_metadata.type)
    kinds = list(dict.fromkeys(each if kind == ALL else kind for kind in types))
    if neighbors.test_relations is not None:
        kinds.append(", ".join(one or "none" for one in neighbors.test_relations))
    return kinds


def print_profile(summary: str) -> None:
    """Print a profiler's table as it is."""
    terminal(highlight=False, soft_wrap=True).print(summary.strip())


def print_loss(losses: Sequence[float]) -> None:
    """Print whether a model has learned a few batches by heart."""
    verdict = "the model can learn them" if losses[-1] < losses[0] / 10 else "the model has not learned them"
    say(
        f"Training loss on the same few batches: {losses[0]:.3f} in the first epoch, {losses[-1]:.3f} in the last of "
        f"{len(losses)}: {verdict}."
    )


def print_seconds(results: Sequence[Mapping[str, Any]]) -> None:
    """Print how long each of the runs has taken, also one that was found finished."""
    times = (f"{one.get('model', one['measure'])} {one['wall_time_s']:.1f}" for one in results)
    say(f"Seconds: {', '.join(times)}.")


def print_config(config: dict[str, Any]) -> None:
    """Print the composed config without the tables of hyperparameters; the values in use are root keys."""
    shown = {
        key: {name: one for name, one in value.items() if name != "hyperparameters"}
        if isinstance(value, dict)
        else value
        for key, value in config.items()
    }
    text = OmegaConf.to_yaml(OmegaConf.create(shown)).rstrip()
    terminal().print(
        Panel(
            Syntax(text, "yaml", theme="ansi_light", background_color="default"),
            title="Config",
            expand=False,
        )
    )


def print_results(results: dict[str, Any], baseline: dict[str, Any] | None) -> None:
    """Print the results of a job: test figures beside the baseline's, counts, or label correlations."""
    tables = {"statistics": statistics_table, "label_correlation": label_correlation_table}
    measure = results["measure"]
    terminal().print(tables[measure](results) if measure in tables else results_table(results, baseline))


def results_table(results: dict[str, Any], baseline: dict[str, Any] | None) -> Table:
    """Test figures in percent beside the baseline's, with the differences (Table 2's columns)."""
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
    notes = [f"{left_out} labels without a test image are left out."] if left_out else []
    notes += [diverged(run) for run in (baseline, results) if run is not None and run.get("divergence") is not None]
    table.caption, table.caption_justify = "\n".join(notes) or None, "left"
    return table


def diverged(results: Mapping[str, Any]) -> str:
    """The sentence on a run whose training diverged (`training.divergence`)."""
    found, lr = results["divergence"], results["config"]["lr"]
    loss = "was not a finite number" if found["loss"] is None else f"rose to {found['loss']:.3g}"
    return (
        f"The training of {results['model']} diverged: its loss {loss} in epoch {found['epoch'] + 1}, over a thousand "
        f"times the {found['start']:.3g} at the start; lower lr (now {lr:g})."
    )


def statistics_table(results: dict[str, Any]) -> Table:
    """Table 1: how many values there are, images a value and values an image, mean / median."""
    counts = results["statistics"]
    title = f"{results['collection']}, {counts['images']} images"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("", "values", "images a value", "values an image"):
        table.add_column(heading, justify="right" if heading else "left")
    for kind, count in counts.items():
        if kind != "images":
            both = (count[key] for key in ("images_per_value", "values_per_image"))
            table.add_row(kind, f"{count['values']:,}", *(f"{one['mean']:.1f} / {one['median']:g}" for one in both))
    return table


def label_correlation_table(results: dict[str, Any]) -> Table:
    """Figure 6 at a few ranks: chance that the k-th neighbour has a label that the image has, mean over labels."""
    found = results["label_correlation"]
    place = f"{results['collection']}, split {results['split']}"
    title = f"P(k-th neighbour has a label | the image has it), {place} (percent)"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    ranks = [k for k in (1, 2, 5, 10, 20) if k <= found["K"]]
    for heading in ("neighbours by", *(f"k = {k}" for k in ranks)):
        table.add_column(heading, justify="right" if "=" in heading else "left")
    for kind, mean in found["mean"].items():
        table.add_row(kind, *("n/a" if mean[k - 1] is None else f"{100 * mean[k - 1]:.1f}" for k in ranks))
    table.caption = f"By chance {100 * found['chance']:.1f}."
    return table


def print_confidence(confidence: dict[str, Any]) -> None:
    """Say how many of the suggestions on test images are right, and how far probabilities can be trusted.

    confidence: the part of ``results.json`` that `calibration.confidence.confidence_figures` makes.
    """
    console = terminal()
    for line in confidence_lines(confidence):
        console.print(line, soft_wrap=True, highlight=False)


def confidence_lines(confidence: dict[str, Any]) -> list[str]:
    """The sentences of `print_confidence`."""
    found, asked = confidence["suggestions"], f"precision={confidence['precision']:g}"
    first = f"With {asked}, nothing is suggested on test images."
    if found["suggested"]:
        right = f"{found['precision']:.0f} % were right"
        first = f"With {asked}, of {found['suggested']:,} suggestions on test images {right}"
        first += "." if found["coverage"] is None else f"; they cover {found['coverage']:.0f} % of the labels."
    lines = [first]
    if found["never"]:
        lines.append(
            f"{found['never']:,} of {confidence['labels']:,} labels are never suggested, because the validation images "
            "do not show that they reach this precision; results.json lists them."
        )
    error = confidence["calibration_error"]["test"]
    if error["possible"] is not None:
        lines.append(
            f"Expected calibration error on test images: {error['all']:.2f} % over all image-label pairs, "
            f"{error['possible']:.2f} % over those with a probability of 5 % or more."
        )
    return lines


def print_skipped(folder: Path) -> None:
    """Say that a finished job is not done again."""
    terminal().print(f"Already finished, so not trained again (overwrite=true does): {folder}", soft_wrap=True)


def print_places(folder: Path) -> None:
    """Print the files that a run has written."""
    console = terminal()
    annotates = (folder / MODEL).is_dir() and NONE in read_confidence(folder / MODEL)
    console.print(f"Written to {folder}:", soft_wrap=True)
    for name, meaning in (
        ("results.json", "figures, config, versions"),
        ("metrics.csv", "curves"),
        ("model", f"the model{', enough by itself' if annotates else ''}: weights, probabilities, thresholds, card"),
        ("scores.npy", "label scores of the test images, whose rows are in rows.npy"),
        ("last.ckpt", "everything needed to train on"),
    ):
        if (folder / name).exists():
            console.print(f"  {name:13} {meaning}", soft_wrap=True)
    if annotates:
        console.print(f"Next: python annotate.py run={folder}", soft_wrap=True)
