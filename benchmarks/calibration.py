"""Which calibration and which thresholds are best on the embedded collection: python benchmarks/calibration.py.

For the paper's model (metadata=tags m=3 M=6) and the visual-only one, on splits 0-4: everything is fitted on validation
images and measured on test images. Trains the runs that are missing below logs/ (about 20 seconds each), prints tables
for each model, mean and standard deviation over splits, and last one line of JSON:

    probabilities   expected calibration error and log loss of ways to make probabilities of scores
    thresholds      share of suggestions that are right, where 90 % are asked for, and of right labels that they cover
    precision       the same for other precisions
    neighbours      the same for images with few and with many neighbours

Exits with status 1 if fewer suggestions are right, on average over splits, than were asked for.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from love_thy_neighbors.programs.start import ROOT, let_idle_threads_sleep, plain, register_resolvers

let_idle_threads_sleep()  # as train.py does, before torch is there

# ruff: noqa: E402
import numpy as np
import torch
from hydra import compose, initialize_config_dir
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from love_thy_neighbors.calibration.figures import calibration_errors, suggestion_figures
from love_thy_neighbors.calibration.platt import fit_platt
from love_thy_neighbors.calibration.thresholds import fit_curves, thresholds
from love_thy_neighbors.jobs.build import make_data, make_task, model_arguments
from love_thy_neighbors.jobs.job import finish
from love_thy_neighbors.report.estimates import estimate_of, paired_difference
from love_thy_neighbors.report.tables_as_text import text_of
from love_thy_neighbors.runs.checkpoints import load_model
from love_thy_neighbors.runs.identity import run_name
from love_thy_neighbors.runs.results import MODEL
from love_thy_neighbors.runs.settings import Settings, settings_of

MODELS = ("neighborhood", "visual_only")
ASKED = 0.9
PRECISIONS = (0.7, 0.8, 0.9, 0.95)
LABEL_AT_LEAST, POOR = 5, 0.8  # a label with 5 suggestions or more, of which less than 80 % are right, is poor
Probabilities = Callable[[np.ndarray], np.ndarray]


class Part(NamedTuple):
    """Scores [n, L] and labels [n, L] of the validation or the test images, and how many neighbours [n] they have."""

    scores: np.ndarray
    labels: np.ndarray
    neighbors: np.ndarray


def settings(model: str, split: int, logs: Path) -> Settings:
    """The settings of ``train.py metadata=tags m=3 M=6 model=MODEL split=SPLIT``."""
    overrides = ["metadata=tags", "m=3", "M=6", f"model={model}", f"split={split}", f"logs={logs}"]
    return settings_of(plain(compose("train", overrides=overrides)))


def scored(made: Settings) -> dict[str, Part]:
    """Scores of a trained model for val and test; trains it first if its run is missing."""
    run = made.logs / run_name(made)
    finish(made, run, overwrite=False, resume=True, wait=True)
    data = make_data(made)
    task = make_task(made, model_arguments(made, data)).eval()
    task.model = load_model(run / MODEL)[0]
    data.setup("test")
    parts = {}
    with torch.inference_mode():
        for name in ("val", "test"):
            batches = [data.gather(rows) for rows in data.batches[name]]
            scores = torch.cat([task(batch) for batch in batches]).double()
            labels = torch.cat([batch.y for batch in batches]) > 0
            counts = torch.cat([labels.new_zeros(len(b.y)) if b.mask is None else b.mask.sum(dim=1) for b in batches])
            parts[name] = Part(scores.numpy(), labels.numpy(), counts.numpy())
    return parts


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean over images of the loss summed over labels."""
    p = np.clip(probabilities, 1e-7, 1 - 1e-7)
    return float(-np.log(np.where(labels, p, 1 - p)).sum(axis=1).mean())


def temperature(val: Part) -> Probabilities:
    """One number for all scores."""
    best = minimize_scalar(lambda a: log_loss(expit(a * val.scores), val.labels), bounds=(0.01, 10), method="bounded")
    return lambda scores: expit(best.x * scores)


def together(val: Part) -> Probabilities:
    """Platt's two numbers, the same for all labels."""
    fitted = fit_platt(val.scores.reshape(-1, 1), val.labels.reshape(-1, 1))
    return lambda scores: fitted.probabilities(scores.reshape(-1, 1)).reshape(scores.shape)


def alone(val: Part) -> Probabilities:
    """Platt's two numbers of each label by itself."""
    fitted = [fit_platt(val.scores[:, [label]], val.labels[:, [label]]) for label in range(val.scores.shape[1])]
    return lambda scores: np.hstack([one.probabilities(scores[:, [i]]) for i, one in enumerate(fitted)])


def isotonic(val: Part) -> Probabilities:
    """An isotonic regression for each label by itself."""
    columns = zip(val.scores.T, val.labels.T, strict=True)
    fitted = [IsotonicRegression(out_of_bounds="clip").fit(scores, labels) for scores, labels in columns]
    return lambda scores: np.column_stack([one.predict(scores[:, i]) for i, one in enumerate(fitted)])


def shrunk(val: Part) -> Probabilities:
    """What train.py uses: two numbers a label, shrunk towards those of all labels."""
    return fit_platt(val.scores, val.labels).probabilities


CALIBRATIONS: dict[str, Callable[[Part], Probabilities]] = {
    "none": lambda val: expit,
    "temperature, one number": temperature,
    "Platt, all labels together": together,
    "Platt, each label alone": alone,
    "isotonic, each label alone": isotonic,
    "Platt, shrunk (ours)": shrunk,
}


def lowest(values: np.ndarray, right: np.ndarray, z: float) -> float:
    """The lowest value from which on Wilson's lower bound of the precision is 90 %; z = 0 is the precision itself."""
    order = np.argsort(-values, kind="stable")
    n, share = np.arange(1, len(order) + 1), np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    spread = z * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    reached = np.flatnonzero((share + z * z / (2 * n) - spread) / (1 + z * z / n) >= ASKED)
    return float(values[order[reached[-1]]]) if len(reached) else np.inf


def per_label(values: np.ndarray, labels: np.ndarray, z: float) -> np.ndarray:
    """`lowest` of each label, [L]."""
    return np.array([lowest(*column, z) for column in zip(values.T, labels.T, strict=True)])


def bounded(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The thresholds [L] that train.py uses."""
    return thresholds(fit_curves(probabilities, labels), ASKED)


def threshold_rules(val: Part) -> dict[str, tuple[Probabilities, np.ndarray]]:
    """For each rule what it looks at, and from which value on it suggests each label, [L]."""
    ours, scaled = shrunk(val), temperature(val)
    p, same = ours(val.scores), np.ones(val.scores.shape[1])
    return {
        "one for all labels, on scores": (lambda s: s, same * lowest(val.scores.ravel(), val.labels.ravel(), 0)),
        "one for all labels, on probabilities": (ours, same * lowest(p.ravel(), val.labels.ravel(), 0)),
        "a label: observed precision": (ours, per_label(p, val.labels, 0)),
        "a label: Wilson, 80 %": (ours, per_label(p, val.labels, 0.8416)),
        "a label: Wilson, 95 %": (ours, per_label(p, val.labels, 1.6449)),
        "a label: Beta bound, after temperature": (scaled, bounded(scaled(val.scores), val.labels)),
        "a label: Beta bound (ours)": (ours, bounded(p, val.labels)),
    }


def suggested(probabilities: np.ndarray, limits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Counts and percent of the suggestions, and the share of labels that are poor, in percent."""
    found = suggestion_figures(probabilities, limits, labels)
    given = probabilities >= limits
    n, right = given.sum(axis=0), (given & labels).sum(axis=0)
    counted = n >= LABEL_AT_LEAST
    kept = {key: found[key] for key in ("suggested", "precision", "coverage", "never")}
    return kept | {"poor labels": float(100 * (right < POOR * n)[counted].mean())}


def measured(val: Part, test: Part) -> dict[str, dict[str, dict[str, float]]]:
    """Of one split: for each table and row the figures on test images."""
    tables: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for name, fit in CALIBRATIONS.items():
        p = fit(val)(test.scores)
        errors = calibration_errors(p, test.labels)
        row = {
            "ECE, all pairs": errors["all"],
            "ECE, p >= 5 %": errors["possible"],
            "log loss": log_loss(p, test.labels),
        }
        tables["probabilities"][name] = {key: float(value or 0) for key, value in row.items()}
    for name, (of, limits) in threshold_rules(val).items():
        tables["thresholds"][name] = suggested(of(test.scores), limits, test.labels)
    ours = shrunk(val)
    curves, p = fit_curves(ours(val.scores), val.labels), ours(test.scores)
    for asked in PRECISIONS:
        tables["precision"][f"{100 * asked:g} % asked for"] = suggested(p, thresholds(curves, asked), test.labels)
    limits = thresholds(curves, ASKED)
    for name, (least, most) in {"0": (0, 0), "1 or 2": (1, 2), "3 or more": (3, np.inf)}.items():
        some = (test.neighbors >= least) & (test.neighbors <= most)
        if test.neighbors.any() and some.any():
            tables["neighbours"][name] = {"images": float(some.sum())} | suggested(p[some], limits, test.labels[some])
    return tables


def shown(model: str, title: str, splits: list[dict[str, dict[str, float]]], ratio: float, compared: str) -> Table:
    """Mean and standard deviation of each figure, and the paired difference of ``compared`` to the last row, ours."""
    rows = list(splits[0])
    table = Table(title=f"{model}: {title}, test images of {len(splits)} splits", title_justify="left")
    table.add_column(title, no_wrap=True)
    for heading in (*splits[0][rows[0]], *([f"{compared}, to ours"] if compared else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        cells = [text_of(estimate_of([one[row][figure] for one in splits])) for figure in splits[0][row]]
        if compared and row != rows[-1]:
            mine, theirs = ({i: one[name][compared] for i, one in enumerate(splits)} for name in (row, rows[-1]))
            cells.append(text_of(paired_difference(mine, theirs, ratio) or ""))
        table.add_row(row, *cells)
    return table


def main() -> int:
    """Train what is missing, fit, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="numbers of the random splits")
    parser.add_argument("--logs", type=Path, default=ROOT / "logs" / "runs", help="where the runs are, and go")
    options = parser.parse_args()
    register_resolvers()
    found: dict[str, Any] = {}
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        for model in MODELS:
            made = [settings(model, split, options.logs) for split in options.splits]
            found[model] = [measured(**scored(one)) for one in made]
    reached = True
    for model, splits in found.items():
        ratio = made[0].split.sizes[2] / made[0].split.sizes[0]
        compared = {"probabilities": "log loss", "thresholds": "coverage"}
        for title in splits[0]:
            Console(width=180).print(
                shown(model, title, [one[title] for one in splits], ratio, compared.get(title, ""))
            )
        for asked in PRECISIONS:
            row = f"{100 * asked:g} % asked for"
            reached &= bool(np.mean([one["precision"][row]["precision"] for one in splits]) >= 100 * asked)
    print(json.dumps(found))
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
