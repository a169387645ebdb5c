"""Pictures of results: images, their neighbours, and the labels before and after (the paper's Figure 4).

python -m love_thy_neighbors.figures RUN BASELINE COLLECTION OUT.png   (the first two are run folders)
"""

import argparse
import sys
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from love_thy_neighbors.atomic import written_whole
from love_thy_neighbors.collection import Collection, load_collection, open_npy
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.metrics import average_precision_per_image

RIGHT, WRONG, MUTED = "#1a5fb4", "#c01c28", "#5e5c64"
NEIGHBORS = 6  # shown per image, as in the paper
TOP = 3  # labels shown per model


def choose_examples(labels: np.ndarray, scores: np.ndarray, before: np.ndarray, neighbors: np.ndarray) -> list[int]:
    """Places [4] of examples to show: the three largest gains and the largest loss (neighbours can hurt).

    Gain is in right labels among the three shown, then in average precision over labels. Only images with six
    neighbours and two labels or more count, and no two share their label set, so that different things are seen.

    Shapes: labels, scores, before [N, L]; neighbors [N, M] with -1 for none.
    """
    truth = torch.from_numpy(labels)
    after_ap, before_ap = (average_precision_per_image(torch.from_numpy(s), truth).numpy() for s in (scores, before))
    after_right, before_right = (
        np.take_along_axis(labels, _top(s), axis=1).sum(axis=1, dtype=int) for s in (scores, before)
    )
    ascending = np.lexsort((after_ap - before_ap, after_right - before_right))
    eligible = (neighbors[:, :NEIGHBORS] >= 0).all(axis=1) & (labels.sum(axis=1) >= 2)
    chosen: list[int] = []
    seen: set[bytes] = set()
    for wanted, order in ((3, ascending[::-1]), (1, ascending)):
        for place in order:
            key = labels[place].tobytes()
            if wanted and eligible[place] and key not in seen:
                chosen.append(int(place))
                seen.add(key)
                wanted -= 1
    return chosen


def _top(scores: np.ndarray) -> np.ndarray:
    """The labels shown [..., 3] of scores [..., L], the highest first."""
    return np.argsort(-scores, axis=-1, kind="stable")[..., :TOP]


def neighborhood_figure(
    collection: Collection, rows: np.ndarray, neighbors: np.ndarray, scores: np.ndarray, before: np.ndarray
) -> Figure:
    """Draw a row for every example: the image, both models' top labels (blue right, red wrong), six neighbours.

    Shapes: rows [E] row numbers of the examples; neighbors [E, M]; scores and before [E, L].
    """
    columns = 3 + NEIGHBORS
    figure = plt.figure(figsize=(11, 1.45 * len(rows) + 0.35), layout="constrained")
    grid = figure.add_gridspec(len(rows), columns, width_ratios=[1, 1.15, 1.15, *([0.8] * NEIGHBORS)])
    for line, row in enumerate(rows):
        axes = [figure.add_subplot(grid[line, column]) for column in range(columns)]
        truth = collection.labels[row].toarray().ravel()
        _show(axes[0], collection, int(row))
        _list_labels(axes[1], collection.label_names, before[line], truth)
        _list_labels(axes[2], collection.label_names, scores[line], truth)
        for axis, neighbor in zip(axes[3:], neighbors[line], strict=False):
            _show(axis, collection, int(neighbor))
        if line == 0:
            for axis, title in zip(axes, ("image", "image alone", "with neighbours"), strict=False):
                axis.set_title(title, fontsize=10, color=MUTED, loc="left")
            axes[3].set_title("the six nearest by metadata", fontsize=10, color=MUTED, loc="left")
        elif average_precision(scores[line], truth) < average_precision(before[line], truth):
            axes[2].set_title("misled", fontsize=10, color=WRONG, loc="left")
    return figure


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Average precision over labels of one image. Shapes: scores and truth [L]."""
    return float(average_precision_per_image(torch.from_numpy(scores[None]), torch.from_numpy(truth[None]))[0])


def _show(axis: Axes, collection: Collection, row: int) -> None:
    axis.axis("off")
    path = collection.folder / "thumbnails" / f"{row}.webp"
    if not path.is_file():
        axis.text(0.5, 0.5, collection.ids[row].as_py(), ha="center", va="center", fontsize=7, wrap=True)
        return
    with Image.open(path) as image:
        axis.imshow(np.asarray(image.convert("RGB")))


def _list_labels(axis: Axes, names: tuple[str, ...], scores: np.ndarray, truth: np.ndarray) -> None:
    axis.axis("off")
    for place, label in enumerate(_top(scores)):
        right = bool(truth[label])
        text = f"{'✓' if right else '✗'} {names[label]}"
        axis.text(0.02, 0.78 - 0.28 * place, text, color=RIGHT if right else WRONG, fontsize=10, va="center")
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)


def draw(run: Path, baseline: Path, folder: Path, out: Path) -> None:
    """Write the figure of a finished run beside its baseline, both on the same split."""
    collection = load_collection(folder)
    for place in (run, baseline):
        if not (place / "results.json").is_file():
            raise UserError(f"{place}: not the folder of a finished run; train it first.")
    rows, scores, before = (open_npy(path) for path in (run / "rows.npy", run / "scores.npy", baseline / "scores.npy"))
    if not np.array_equal(rows, open_npy(baseline / "rows.npy")):
        raise UserError(f"{baseline}: its test images are not those of {run}; give a run on the same split.")
    neighbors = open_npy(run / "neighbors.npy")
    chosen = choose_examples(collection.labels[rows].toarray(), scores, before, neighbors)
    figure = neighborhood_figure(collection, rows[chosen], neighbors[chosen], scores[chosen], before[chosen])
    with written_whole(out) as temporary:
        figure.savefig(temporary, format=out.suffix.removeprefix(".") or "png", dpi=110)
    plt.close(figure)


def main() -> None:
    """The command line at the top of this file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("run", "baseline", "collection", "out"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    matplotlib.use("Agg")
    try:
        draw(arguments.run, arguments.baseline, arguments.collection, arguments.out)
    except UserError as error:
        sys.exit(f"figures: {error}")


if __name__ == "__main__":
    main()
