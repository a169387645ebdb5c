"""Colours and frames of the report's figures, light and dark; the page uses the same colours.

Every colour that carries text has a contrast of at least 4.5 to 1 against its background (WCAG 2, level AA). Series are
told apart by marker and direct label too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

FONT = 10  # points; small print is 9
SMALL = 9
MARKERS = ("o", "s", "^", "D", "v", "P")
_GAP = 0.06  # share of an axis' height that a line of small print takes


@dataclass(frozen=True)
class Theme:
    """Colours as #rrggbb. ``right`` and ``wrong`` mark labels, gains and losses; ``series`` are of lines, in order."""

    name: str
    background: str
    text: str
    muted: str
    grid: str
    right: str
    wrong: str
    series: tuple[str, ...]

    def diverging(self) -> LinearSegmentedColormap:
        """From ``wrong`` (negative) over the background (zero) to ``right`` (positive)."""
        return LinearSegmentedColormap.from_list(f"{self.name}-diverging", [self.wrong, self.background, self.right])


# Right and wrong as in the paper's Figure 4; the series after Okabe and Ito, darkened or lightened for text.
LIGHT = Theme(
    name="light",
    background="#ffffff",
    text="#1f2328",
    muted="#59636e",
    grid="#d9dee3",
    right="#1a5fb4",
    wrong="#c01c28",
    series=("#0067a3", "#a84a00", "#00755a", "#9c3f78", "#6b5b00", "#59636e"),
)
DARK = Theme(
    name="dark",
    background="#16181d",
    text="#e6e8eb",
    muted="#9ba4ae",
    grid="#343941",
    right="#78aef5",
    wrong="#ff8a80",
    series=("#56b4e9", "#f0a030", "#2fc39b", "#e39bc6", "#d8cf4a", "#9ba4ae"),
)


def canvas(
    theme: Theme, width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, np.ndarray]:
    """A figure of ``width`` x ``height`` inches and its axes [rows, columns], with no frame but the two axes' lines.

    ``options`` go to `Figure.subplots`. The figure belongs to no window, so nothing has to be closed.
    """
    frame: dict[Any, Any] = {
        "figure.facecolor": theme.background,
        "axes.facecolor": theme.background,
        "axes.edgecolor": theme.muted,
        "axes.labelcolor": theme.text,
        "axes.labelsize": FONT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
        "xtick.labelcolor": theme.text,
        "ytick.labelcolor": theme.text,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
    }
    with matplotlib.rc_context(frame):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, axes


def rule(axis: Axes, theme: Theme) -> None:
    """Faint horizontal lines at the ticks, to read heights by."""
    axis.grid(axis="y", color=theme.grid, linewidth=0.8)


def shortened(text: str, length: int = 24) -> str:
    """``text`` on one line, cut with an ellipsis if it is longer than ``length`` characters.

    >>> shortened("a name \\n that goes on and on", 12)
    'a name that…'
    """
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def label_lines(axis: Axes, ends: Sequence[tuple[float, str, str]], x: float = 1.02) -> None:
    """Name lines at the right edge of ``axis``, moved apart where they would overlap.

    Each of ``ends`` is the height in data units where a line ends, its name and its colour. ``x`` is in axis widths.
    """
    low, high = axis.get_ylim()
    ordered = sorted(ends, key=lambda end: end[0])
    wanted = np.array([(end[0] - low) / (high - low) for end in ordered])
    for place, (_, name, color) in zip(moved_apart(wanted, _GAP), ordered, strict=True):
        axis.text(
            x,
            place,
            shortened(name),
            transform=axis.transAxes,
            color=color,
            fontsize=SMALL,
            va="center",
            parse_math=False,
        )


def moved_apart(wanted: np.ndarray, gap: float) -> np.ndarray:
    """Ascending places [n] at least ``gap`` apart, each as near to its ``wanted`` place as the squares allow.

    Least squares under order constraints is the isotonic regression of ``wanted - gap * index``.

    >>> moved_apart(np.array([0.1, 0.5, 0.5]), 0.2).round(3).tolist()
    [0.1, 0.4, 0.6]
    """
    steps = gap * np.arange(len(wanted))
    return isotonic_regression(wanted - steps).x + steps
