"""The paper's own release: ``python prepare.py source=paper_release root=DIR [metadata=FILE] out=data/nuswide``.

An image is a row of ``NUS_data.mat``. A split file has the rows of its images (``orig_ids``) and positions in them
(``train_id`` and ``test_id``, from 1). Features are joined by Flickr id: the first column of ``feat7`` whose entry of
``img_ids`` is the image's id. Public code reads the files in this way (Tesan, Coscia, Ballan: A CNN-RNN Framework for
Image Annotation, 2019). The files themselves were not available here, so sizes, ranges and ids are checked, and that
the images of the splits have labels (section 4.1).
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from love_thy_neighbors.collection.feature_tables import store
from love_thy_neighbors.disk import new_table
from love_thy_neighbors.errors import UserError, require_whole
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.paper import TABLE_1
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.nuswide.metadata import as_in_table_1, read_metadata, sets_and_groups
from love_thy_neighbors.sources.paper_release.images import Images, find_splits, photo_ids, read_images, read_split
from love_thy_neighbors.sources.rejects import Rejects, check_on_error
from love_thy_neighbors.sources.release import FinishedTable, Release

if TYPE_CHECKING:
    from love_thy_neighbors.sources.paper_release.matlab_hdf5 import Table

NUS, IMAGE_IDS, FEATURES = "NUS_data.mat", "imgids.mat", "feat_alexnet/feat7_caffe_all.mat"
BACKBONE = "caffenet_fc7"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The keys of configs/source/paper_release.yaml; raises `UserError` for values that make no sense."""

    root: Path | None
    metadata: Path | None = None
    splits: list[str] | None = None
    train_images: int = 110_000
    all_images: bool = False
    min_positives: int = 1
    on_error: str = "stop"

    def __post_init__(self) -> None:
        if self.root is None:
            raise UserError(f"root: give the folder with {NUS} (root=DIR).")
        for name in (NUS, IMAGE_IDS, FEATURES):
            if not (self.root / name).is_file():
                raise UserError(f"root: {self.root} has no {name}; give the folder of the paper's release.")
        if find_spec("h5py") is None:
            raise UserError("source=paper_release: needs h5py; pip install h5py.")
        require_whole("train_images", self.train_images, 1)
        require_whole("min_positives", self.min_positives, 1)
        if not isinstance(self.all_images, bool):
            raise UserError(f"all_images: must be true or false, not {self.all_images}.")
        check_on_error(self.on_error)


def read(options: Options, how: Extraction, partial: Path) -> Release:
    """The release in ``root``, with the rows of ``NUS_data.mat`` as entries; raises `UserError`."""
    from love_thy_neighbors.sources.paper_release.matlab_hdf5 import Table  # h5py: an optional package

    assert options.root is not None
    nus = options.root / NUS
    rejects = Rejects(str(nus), "row", options.on_error)
    split_files = find_splits(options.root, options.splits, {NUS, IMAGE_IDS, FEATURES})
    images, splits = _images_and_splits(options, split_files)
    used = np.any(splits >= 0, axis=0)
    rows = np.arange(len(used)) if options.all_images else np.flatnonzero(used)
    ids, counts = photo_ids(options.root / IMAGE_IDS, "img_ids")
    rows, places = _joined(ids, images, rows, rejects)
    table, metadata_counts = _table(options, images, rows)
    partial.mkdir(exist_ok=True)
    given = Table(options.root / FEATURES, "feat7", len(ids))
    features, sound = _features(given, places, rows, rejects, partial)
    table, rows = table.take(pa.array(sound)), rows[sound]
    return Release(
        name="nuswide",
        table=table,
        rejects=rejects,
        about=_about(options, split_files),
        counts={
            **images.counts,
            "splits": len(split_files),
            "rows_of_no_split": int((~used).sum()),
            "rows_of_splits_left_out": int(used.sum() - used[rows].sum()),
            **counts,
            **metadata_counts,
        },
        numbers=rows + 1,
        features=features,
        min_positives=options.min_positives,
        splits=splits[:, rows] if split_files else None,
        published=TABLE_1,
        published_as="NUS-WIDE in the paper (the images of its splits, the 10,000 most frequent tags)",
        comparable=as_in_table_1(table, np.flatnonzero(used[rows] | (not used.any()))),
    )


def _images_and_splits(options: Options, split_files: list[Path]) -> tuple[Images, np.ndarray]:
    """The images, and the part of each in each split: int8 [S, N]."""
    assert options.root is not None
    if not split_files and not options.all_images:
        raise UserError(
            f"root: no .mat file below {options.root} has a split (train_id, test_id, orig_ids); give the files with "
            "splits=, or keep every image with all_images=true."
        )
    with progress_bar("reading MATLAB files", 1 + len(split_files)) as advance:
        images = read_images(options.root / NUS)
        advance(1)
        parts = [read_split(path, images.labelled, options.train_images, advance) for path in split_files]
    return images, np.array(parts, dtype=np.int8).reshape(-1, len(images.ids))


def _joined(ids: pa.Array, images: Images, rows: np.ndarray, rejects: Rejects) -> tuple[np.ndarray, np.ndarray]:
    """Those of ``rows`` whose photo id is among ``ids``, and its places [n] there, from 0; the others are refused."""
    places = pc.index_in(images.ids.take(pa.array(rows)), ids)  # the first of equal ids
    there = pc.is_valid(places).to_numpy(zero_copy_only=False)
    for row in rows[~there]:
        id_ = images.ids[int(row)].as_py()
        rejects.refuse(int(row) + 1, f"has the photo id '{id_}', which is not in img_ids of {Path(IMAGE_IDS).name}")
    if not there.any():
        raise rejects.empty()
    return rows[there], places.drop_null().to_numpy().astype(np.int64)


def _table(options: Options, images: Images, rows: np.ndarray) -> tuple[pa.Table, dict[str, int]]:
    table = images.table(rows)
    if options.metadata is None:
        return table, {}
    metadata = read_metadata(options.metadata, table["id"].to_pylist(), Path(NUS))
    for name, column in metadata.columns.items():
        table = table.append_column(name, column)
    return table, metadata.counts | {"rows_without_metadata": int((~metadata.there).sum())}


def _features(
    given: "Table", places_of: np.ndarray, rows: np.ndarray, rejects: Rejects, partial: Path
) -> tuple[FinishedTable, np.ndarray]:
    """The features of ``rows``, and places in ``rows`` [n] of those that can be used; the others are refused.

    ``places_of`` [n] are the rows' images in the table ``given``, from 0.
    """
    kind = np.promote_types(given.dtype, np.float32)
    table = new_table(partial / "given.npy", kind, (len(rows), given.columns))
    with progress_bar("copying features", len(rows)) as advance:
        for places, block in given.blocks(places_of):
            table[places] = block
            advance(len(places))
    out = partial / "features.npy"
    stored = store(table, range(len(rows)), out, str(given.path))
    for place, reason in stored.bad.items():
        where = f"image {places_of[place] + 1} of {given.path.name} {reason}"
        rejects.refuse(int(rows[place]) + 1, f"has features that cannot be used ({where})")
    good = np.delete(np.arange(len(rows)), list(stored.bad))
    if not len(good):
        raise rejects.empty()
    about = {"source": FEATURES, "shape_given": given.shape, "dtype_given": given.dtype, **stored.about}
    return FinishedTable(BACKBONE, out, about), good


def _about(options: Options, split_files: list[Path]) -> dict[str, Any]:
    assert options.root is not None
    names = [path.relative_to(options.root).as_posix() for path in split_files]
    return {
        "source": {
            "release": "Johnson, Ballan, Fei-Fei, ICCV 2015 (NUS-WIDE)",
            "entries": f"rows of {NUS}",
            **({} if options.metadata is None else {"metadata": options.metadata.name}),
        },
        "licence": "see NUS-WIDE, and Flickr's terms for the photos and their metadata",
        "labels": {"how": f"label_matrix and labels of {NUS}: NUS-WIDE's concepts, annotated by hand"},
        "metadata": {
            "tags": {"how": f"tag_matrix and tags of {NUS}"},
            **({} if options.metadata is None else sets_and_groups(options.metadata)),
        },
        **({"splits": {"files": names, "train_images": options.train_images}} if names else {}),
    }
