"""The neighbour lists of one job: each file is found and opened once, however often its lists are asked for.

To find a file, the metadata of all images is hashed (`lists.list_file`), which takes longer than to open it.
"""

from pathlib import Path

import numpy as np

from love_thy_neighbors.collection.loading import Collection
from love_thy_neighbors.neighbors.lists import NeighborQuery, list_file, list_length, open_lists
from love_thy_neighbors.neighbors.similarities import similarities_beside
from love_thy_neighbors.splits import Split


class OpenedLists:
    """The lists of a collection's images, and the files of the cache folder that hold them.

    A split counts as the same one if it is the same object; nothing is changed in it.
    """

    def __init__(self, collection: Collection, cache: Path) -> None:
        self.collection, self.cache = collection, cache
        self._opened: dict[tuple[int, NeighborQuery, int, str], tuple[Split, Path, np.ndarray]] = {}
        self._similarities: dict[Path, np.ndarray] = {}

    def lists(self, split: Split, query: NeighborQuery, M: int, part: str) -> np.ndarray:
        """The lists int32 [n, M] of `lists.neighbor_lists`, memory-mapped."""
        return self._open(split, query, M, part)[1][:, :M]

    def similarities(self, split: Split, query: NeighborQuery, M: int, part: str) -> np.ndarray:
        """The similarities float32 [n, M] of `similarities.neighbor_similarities`, memory-mapped."""
        path, _ = self._open(split, query, M, part)
        if path not in self._similarities:
            beside = similarities_beside(path, self.collection, split, query, part)
            self._similarities[path] = open_lists(beside)
        return self._similarities[path][:, :M]

    def _open(self, split: Split, query: NeighborQuery, M: int, part: str) -> tuple[Path, np.ndarray]:
        key = (id(split), query, list_length(M), part)
        if key not in self._opened:
            path = list_file(self.collection, split, query, M, part, self.cache)
            self._opened[key] = (split, path, open_lists(path))  # with the split, so that no other gets its id
        return self._opened[key][1:]
