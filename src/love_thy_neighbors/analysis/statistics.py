"""How many labels, tags, sets and groups a collection has, and how they are spread (Table 1)."""

from typing import Any

import numpy as np
from scipy import sparse

from love_thy_neighbors.collection.loading import Collection


def collection_statistics(collection: Collection, rows: np.ndarray) -> dict[str, Any]:
    """Table 1 of any collection (section 4.1), ready for JSON.

    Returns ``{"images": n, "labels": {...}, <metadata type>: {...}, ...}``, with one entry for every metadata type that
    the collection has. An entry is::

        {"values": T, "images_per_value": {"mean": .., "median": ..}, "values_per_image": {"mean": .., "median": ..}}

    T counts the values that at least one of ``rows`` carries; there is no limit on it, while the paper's 10,000 tags
    are a chosen vocabulary. An image without a value counts as 0 in ``values_per_image``. Where there is nothing to
    average (no value, or no image), mean and median are None.

    Shapes: ``rows`` [n] distinct row numbers of the images that count.
    """
    matrices = {"labels": collection.labels, **collection.metadata}
    return {"images": len(rows), **{name: _spread(matrix[rows]) for name, matrix in matrices.items()}}


def _spread(matrix: sparse.csr_matrix) -> dict[str, Any]:
    """The entry of a binary matrix [n, T] without stored zeros."""
    images = np.bincount(matrix.indices, minlength=matrix.shape[1])
    return spread(images[images > 0], np.diff(matrix.indptr))


def spread(images_per_value: np.ndarray, values_per_image: np.ndarray) -> dict[str, Any]:
    """The numbers of Table 1 for one kind of value, from the counts [T] and [n]; None where there is no count."""
    both = {"images_per_value": images_per_value, "values_per_image": values_per_image}
    return {"values": len(images_per_value)} | {
        name: {
            "mean": float(np.mean(counts)) if len(counts) else None,
            "median": float(np.median(counts)) if len(counts) else None,
        }
        for name, counts in both.items()
    }
