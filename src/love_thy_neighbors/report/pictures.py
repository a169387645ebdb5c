"""A drawing of thumbnails and text, placed in inches from the top left corner."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from love_thy_neighbors.collection.loading import Collection
from love_thy_neighbors.report.style import BACKGROUND, GRID, MUTED, SMALL, TEXT, shortened

LARGEST = 512  # pixels on a side; prepare.py makes smaller thumbnails
WHITE = 235  # a pixel is white from this value on, in each of its three channels


def read_thumbnail(collection: Collection, row: int) -> np.ndarray | None:
    """The thumbnail of a row, uint8 [height, width, 3], or None if it is missing, broken or too large."""
    path = collection.folder / "thumbnails" / f"{row}.webp"
    try:
        with Image.open(path, formats=["WEBP"]) as image:
            return np.asarray(image.convert("RGB")) if max(image.size) <= LARGEST else None
    except (OSError, SyntaxError, ValueError):
        return None


def filled(collection: Collection, row: int) -> float:
    """The share of the thumbnail's square that is not white; 0 without a thumbnail. Line art fills little."""
    picture = read_thumbnail(collection, row)
    return 0.0 if picture is None else float((picture.min(axis=2) < WHITE).sum() / max(picture.shape) ** 2)


class Sheet:
    """An empty figure; every method takes the distance from its left and from its top in inches."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), facecolor=BACKGROUND)

    def write(
        self, x: float, y: float, text: str, color: str = TEXT, size: int = SMALL, align: str = "left", **style: Any
    ) -> None:
        """Writes one line of text, vertically centred at ``y``; ``align`` left, center or right of ``x``."""
        place = (x / self.width, 1 - y / self.height)
        self.figure.text(*place, text, color=color, fontsize=size, ha=align, va="center", parse_math=False, **style)

    def show(self, x: float, y: float, side: float, collection: Collection, row: int) -> None:
        """Draws a thumbnail into a square, or the image's id where there is no thumbnail."""
        picture = read_thumbnail(collection, row)
        if picture is None:
            self.write(x + side / 2, y + side / 2, shortened(collection.ids[row].as_py(), 14), MUTED, align="center")
            return
        box = (x / self.width, 1 - (y + side) / self.height, side / self.width, side / self.height)
        axis = self.figure.add_axes(box)
        axis.set_axis_off()
        axis.imshow(picture)

    def line(self, y: float) -> None:
        """Draws a faint horizontal line."""
        self.figure.add_artist(Line2D((0.01, 0.99), (1 - y / self.height,) * 2, color=GRID, linewidth=0.8))
