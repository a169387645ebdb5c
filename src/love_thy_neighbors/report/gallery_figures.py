"""The galleries as one picture each, for Markdown and print (the paper's Figures 4 and 3)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from love_thy_neighbors.collection.loading import Collection
from love_thy_neighbors.report.galleries import NEIGHBORS, Example, SplitScore
from love_thy_neighbors.report.themes import FONT, SMALL, Theme, canvas, shortened

COLUMNS = 4  # pairs in a line of Figure 3
LARGEST = 512  # pixels on a side; a thumbnail with more is none that prepare.py has made


def read_thumbnail(collection: Collection, row: int) -> np.ndarray | None:
    """The small picture of a row [height, width, 3], or None where there is none that can be shown."""
    path = collection.folder / "thumbnails" / f"{row}.webp"
    try:
        with Image.open(path, formats=["WEBP"]) as image:
            return np.asarray(image.convert("RGB")) if max(image.size) <= LARGEST else None
    except (OSError, SyntaxError, ValueError):  # missing, or broken: the image's id is shown instead
        return None


def examples_figure(examples: Sequence[Example], collection: Collection, theme: Theme) -> Figure:
    """A line for each example: the image, both models' labels, right (✓) and wrong (✗), and its nearest neighbours."""
    widths, heights = [0.85, 1.35, 1.35, *([0.65] * NEIGHBORS)], [0.25, *([1.0] * len(examples))]
    figure, grid = _blank(theme, 7.4, widths, heights, inches=0.85)
    for place, heading in enumerate(("image", "image alone", "with neighbours", "nearest by metadata")):
        _write(grid[0, place], 0, 0.5, heading, theme.text)
    for axes, example in zip(grid[1:], examples, strict=True):
        _show(axes[0], collection, example.row, theme)
        _write(axes[1], 0, 0.94, example.kind, theme.wrong if example.failed else theme.muted)
        for axis, shown in zip(axes[1:3], (example.before, example.after), strict=True):
            for place, label in enumerate(shown):
                text = f"{'✓' if label.right else '✗'} {shortened(label.name, 16)}"
                _write(axis, 0, 0.7 - 0.24 * place, text, theme.right if label.right else theme.wrong)
        for axis, neighbor in zip(axes[3:], example.neighbors, strict=False):
            _show(axis, collection, neighbor, theme)
    return figure


def moved_most_figure(
    by_image: Sequence[SplitScore], by_neighborhood: Sequence[SplitScore], collection: Collection, theme: Theme
) -> Figure:
    """Images on two sides, each with a right label and its score = image part + neighborhood part + bias."""
    sides = ((by_image, "the image"), (by_neighborhood, "the neighborhood"))
    lines = -(-max(len(by_image), len(by_neighborhood)) // COLUMNS)
    heights = [0.3, *([1.0, 0.5] * lines)]
    figure, grid = _blank(theme, 6.4, [1] * COLUMNS, heights * 2, inches=1.1)
    for part, (pairs, name) in zip(np.split(grid, 2), sides, strict=True):
        _write(part[0, 0], 0, 0.5, f"score mostly due to {name}: image part + neighborhood part + bias", theme.text)
        for image, text, pair in zip(part[1::2].flat, part[2::2].flat, pairs, strict=False):
            _show(image, collection, pair.row, theme)
            parts = f"{pair.image_part:.2f} {pair.neighborhood_part:+.2f} {pair.bias:+.2f}"
            parts = parts.replace(" +", " + ").replace(" -", " − ").replace("-", "−")
            _write(text, 0.5, 0.9, shortened(pair.label, 18), theme.right)
            _write(text, 0.5, 0.55, parts, theme.text)
            _write(text, 0.5, 0.2, f"= {pair.score:.2f}", theme.text)
    return figure


def _blank(
    theme: Theme, width: float, widths: Sequence[float], heights: Sequence[float], inches: float
) -> tuple[Figure, np.ndarray]:
    """A grid of empty places, ``inches`` high where ``heights`` is 1."""
    figure, grid = canvas(
        theme, width, inches * sum(heights), len(heights), len(widths), width_ratios=widths, height_ratios=heights
    )
    for axis in grid.flat:
        axis.set_axis_off()
    return figure, grid


def _write(axis: Axes, x: float, y: float, text: str, color: str) -> None:
    """Text at a place of ``axis`` (0 to 1), centred if that is its middle; it may run on over the next place."""
    axis.text(
        x,
        y,
        text,
        transform=axis.transAxes,
        ha="center" if x == 0.5 else "left",
        va="center",
        color=color,
        fontsize=FONT if x == 0 else SMALL,
        in_layout=False,
        parse_math=False,
    )


def _show(axis: Axes, collection: Collection, row: int, theme: Theme) -> None:
    picture = read_thumbnail(collection, row)
    if picture is not None:
        axis.imshow(picture)
        return
    _write(axis, 0.5, 0.5, shortened(collection.ids[row].as_py(), 16), theme.muted)
