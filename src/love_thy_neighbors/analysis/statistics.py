"""The number of labels, tags, sets and groups of a collection, and their distribution (Table 1)."""

from typing import Any

import numpy as np
from scipy import sparse

from love_thy_neighbors.collection.loading import Collection


def collection_statistics(collection: Collection, rows: np.ndarray) -> dict[str, Any]:
    """Table 1 of any collection (section 4.1), as a dict for JSON.

    Returns ``{"images": n, "labels": {...}, <metadata type>: {...}, ...}``, with an entry for each metadata type of
    the collection. An entry is::

        {"values": T, "images_per_value": {"mean": .., "median": ..}, "values_per_image": {"mean": .., "median": ..}}

    T is the number of values that at least one of ``rows`` has, without the paper's limit of 10,000 tags. An image
    without a value counts as 0 in ``values_per_image``. Mean and median are None without a value or an image.

    Shapes: ``rows`` [n] distinct row numbers of the images to count.
    """
    matrices = {"labels": collection.labels, **collection.metadata}
    return {"images": len(rows), **{name: _spread(matrix[rows]) for name, matrix in matrices.items()}}


def _spread(matrix: sparse.csr_matrix) -> dict[str, Any]:
    """The entry of a binary matrix [n, T] that stores no zeros."""
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
