"""The content of ``images.parquet`` as files that are memory-mapped, made once in the cache folder.

Processes share the pages of such files, and the system may drop them, so the number of images is not limited by the
memory of a process. ``collections/KEY`` in the cache folder holds

    about.json              the metadata types, and the SHA-256 of each file
    PLACE-NAME.arrow        a text column (Arrow IPC)
    PLACE-NAME.indptr.npy   a matrix as CSR: where each image's columns begin ...
    PLACE-NAME.indices.npy  ... the columns, ascending
    PLACE-NAME.values.arrow ... and the values that the columns stand for
    ones.npy                the data that all matrices share, since they are binary

KEY is a hash of what the files depend on, so outdated files are never read. A file is compared with its hash when it is
opened, unless `checked_files` remembers that it is whole; a damaged folder is made again.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from filelock import FileLock
from scipy import sparse

from love_thy_neighbors.atomic import folder_written_whole, write_json, write_npy
from love_thy_neighbors.collection.card import TEXT_COLUMNS, sha256
from love_thy_neighbors.collection.checked_files import Memory, check_once
from love_thy_neighbors.collection.images_table import Images, list_column, list_columns, read_images, text_column
from love_thy_neighbors.ownership import known_names
from love_thy_neighbors.plain_json import read_json
from love_thy_neighbors.progress import progress_bar

log = logging.getLogger(__name__)

FORMAT = 1
_ABOUT, _ONES = "about.json", "ones.npy"
_NAMES = known_names(r"about\.json", r"ones\.npy", r"\d+-[\w-]+\.(arrow|indptr\.npy|indices\.npy|values\.arrow)")
_SHOWN = 100 << 20  # bytes of images.parquet from which on the work is shown, because it takes over ten seconds


def mapped_images(
    path: Path, label_names: tuple[str, ...], declared: str, memory: Memory, require_hash: Callable[[], None]
) -> Images:
    """The same as `images_table.read_images`, memory-mapped; made if it is not in ``memory``.

    declared: the SHA-256 of ``path`` according to the card; require_hash: raises `UserError` if it is another. Where
    nothing can or may be written, the content is read into memory.
    """
    key = hashlib.sha256(json.dumps([FORMAT, declared, label_names]).encode()).hexdigest()[:32]
    folder = memory.folder / "collections" / key
    images = _opened(folder, memory)
    if images is not None:
        require_hash()
        return images
    if memory.writes:
        images = _made(folder, memory, partial(_make, folder, path, label_names, require_hash))
    if images is None:
        images = read_images(path, label_names)
        require_hash()
    return images


def _made(folder: Path, memory: Memory, make: Callable[[], None]) -> Images | None:
    """What ``make`` has written; None if the system does not let it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            images = _opened(folder, memory)  # another process may have made it while this one waited
            if images is None:
                make()
                images = _opened(folder, memory)
            return images
    except OSError as error:
        reason = error.strerror or error
        log.warning("%s cannot be made (%s); the collection is read into memory instead.", folder, reason)
        return None


def _make(folder: Path, path: Path, label_names: tuple[str, ...], require_hash: Callable[[], None]) -> None:
    """Write the files, one column after the other, so that no more than a column is in memory."""
    types = list_columns(path)
    matrices = ("labels", *types)
    longest, shown = 0, path.stat().st_size >= _SHOWN
    with ExitStack() as stack:
        advance = stack.enter_context(progress_bar("columns of images.parquet", (len(matrices) + 5) * shown))
        made = stack.enter_context(folder_written_whole(folder, _NAMES))
        for place, name in enumerate(TEXT_COLUMNS):
            _write_texts(made / f"{place}-{name}.arrow", text_column(path, name))
            advance(1)
        for place, name in enumerate(matrices, len(TEXT_COLUMNS)):
            matrix, values = list_column(path, name, label_names if name == "labels" else None)
            write_npy(made / f"{place}-{name}.indptr.npy", matrix.indptr)
            write_npy(made / f"{place}-{name}.indices.npy", matrix.indices)
            _write_texts(made / f"{place}-{name}.values.arrow", values)
            longest = max(longest, matrix.nnz)
            del matrix, values  # before the next column is read
            pa.default_memory_pool().release_unused()
            advance(1)
        write_npy(made / _ONES, np.ones(longest, dtype=np.uint8))
        require_hash()  # the name of the folder promises the content that the card declares
        hashes = {file.name: sha256(file) for file in sorted(made.iterdir())}
        write_json(made / _ABOUT, {"format": FORMAT, "types": types, "files": hashes})


def _write_texts(path: Path, texts: pa.Array) -> None:
    table = pa.table({"texts": texts})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _opened(folder: Path, memory: Memory) -> Images | None:
    """The content of a finished folder; None if there is none, or a file in it is damaged or missing."""
    try:
        about = read_json(folder / _ABOUT)
        for name, declared in about["files"].items():
            check_once(folder / name, declared, memory, partial(_require, folder / name, declared))
        matrices = dict(enumerate(("labels", *about["types"]), len(TEXT_COLUMNS)))
        values = {name: _texts(folder / f"{place}-{name}.values.arrow") for place, name in matrices.items()}
        found = {name: _matrix(folder / f"{place}-{name}", len(values[name])) for place, name in matrices.items()}
        texts = {name: _texts(folder / f"{place}-{name}.arrow") for place, name in enumerate(TEXT_COLUMNS)}
        del values["labels"]  # the card has them
        return Images(texts, found.pop("labels"), found, _AsLists(values))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException):
        return None


def _require(path: Path, declared: str) -> None:
    if sha256(path) != declared:
        raise ValueError(f"{path} is damaged")


def _texts(path: Path) -> pa.Array:
    column = pa.ipc.open_file(pa.memory_map(str(path))).read_all()["texts"]
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()  # the latter copies


def _matrix(path: Path, width: int) -> sparse.csr_matrix:
    indptr, indices = (
        # Copy-on-write, because compiled functions tell arrays that may not be written from others.
        np.lib.format.open_memmap(path.with_name(f"{path.name}.{part}.npy"), mode="c")
        for part in ("indptr", "indices")
    )
    ones = np.lib.format.open_memmap(path.with_name(_ONES), mode="c")[: len(indices)]
    matrix = sparse.csr_matrix((ones, indices, indptr), shape=(len(indptr) - 1, width), copy=False)
    matrix.has_canonical_format = True  # SciPy would read everything to find it out
    return matrix


class _AsLists(Mapping[str, list[str]]):
    """The values of each metadata type, as a list from its first use on: few runs need them."""

    def __init__(self, values: Mapping[str, pa.Array]) -> None:
        self._values, self._lists = values, dict[str, list[str]]()

    def __getitem__(self, kind: str) -> list[str]:
        if kind not in self._lists:
            self._lists[kind] = self._values[kind].to_pylist()
        return self._lists[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
