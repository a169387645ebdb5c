"""Colours, axes and names of the report's figures.

Text has a contrast of at least 4.5 to 1 against the background (WCAG 2, level AA). Series differ in marker and name
too, not in colour alone.
"""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

FONT, SMALL = 10, 9  # points
MARKERS = ("o", "s", "^", "D", "v", "P")
BACKGROUND, TEXT, MUTED, GRID = "#ffffff", "#1f2328", "#59636e", "#d9dee3"
RIGHT, WRONG = "#1a5fb4", "#c01c28"  # labels, gains and losses, as in the paper's Figure 4
SERIES = ("#0067a3", "#a84a00", "#00755a", "#9c3f78", "#6b5b00", "#59636e")  # Okabe and Ito's, darkened for text
DIVERGING = LinearSegmentedColormap.from_list("diverging", [WRONG, BACKGROUND, RIGHT])  # negative, zero, positive

_STYLE: dict[Any, Any] = {
    "figure.facecolor": BACKGROUND,
    "axes.facecolor": BACKGROUND,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": TEXT,
    "axes.labelsize": FONT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
}


def canvas(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure of ``width`` x ``height`` inches and its axes [rows, columns]; ``options`` go to `Figure.subplots`.

    The figure belongs to no window, so nothing has to be closed.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, squeeze=False, **options)


def horizontal_grid(axis: Axes) -> None:
    """Draws faint horizontal lines at the ticks."""
    axis.grid(axis="y", color=GRID, linewidth=0.8)


def dashed(axis: Axes, height: float, label: str, color: str = MUTED) -> None:
    """Draws a dashed horizontal line."""
    axis.axhline(height, color=color, linestyle="--", linewidth=1.2, label=label)


def legend(figure: Figure) -> None:
    """Names the lines of the first axes above the figure."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    style: dict[str, Any] = {"ncols": 5, "frameon": False, "labelcolor": TEXT, "fontsize": SMALL}
    figure.legend(handles, labels, loc="outside upper center", **style)


def shortened(text: str, length: int = 24) -> str:
    """``text`` on one line, cut with an ellipsis if it is longer than ``length`` characters.

    >>> shortened("a name \\n that goes on and on", 12)
    'a name that…'
    """
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"
