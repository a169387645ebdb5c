"""From what a source has read to a collection on disk: features, rare labels, card, Table 1."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from rich.console import Console

from love_thy_neighbors.collection.feature_tables import quantise, to_float16
from love_thy_neighbors.collection.loading import open_npy
from love_thy_neighbors.collection.writing import write_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones import BUNDLED, Backbone
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.release import FinishedTable, GivenTable, Release
from love_thy_neighbors.sources.tables import drop_rare_labels, statistics
from love_thy_neighbors.sources.writing import check_out, kept_thumbnails, partial_folder, show, show_published

GIVEN = "given"  # the name of a feature table that was not extracted here

Options = TypeVar("Options")
Read = Callable[[Options, Extraction, Path], Release]
# What a collection gets as features: name of the table, its rows (or the file they are in), their entry in the card,
# and a folder of thumbnails.
_Features = tuple[Mapping[str, np.ndarray | Path], dict[str, Any], Path | None]


def make(read: Read[Options], options: Options, out: Path, overwrite: bool, how: Extraction) -> None:
    """Make the collection ``out`` of what ``read`` reads; raises `UserError`, and then has written nothing."""
    given = [getattr(options, key.name) for key in reversed(fields(options))]  # type: ignore[arg-type]
    check_out(out, overwrite, *(value for value in given if isinstance(value, Path)))
    backbone = _asked_for(how)
    with partial_folder(out) as partial:
        release = read(options, how, partial)
        if not release.table.num_rows:
            raise release.rejects.empty()
        features, about, thumbnails = _features(release, release.how or how, partial, backbone)
        table, names, dropped = drop_rare_labels(release.table, release.min_positives)
        card = _card(release, names, dropped)
        card["features"] = about
        card["statistics"] = statistics(table)
        texts = release.texts | ({"rejected.jsonl": release.rejects.as_lines()} if release.rejects.reasons else {})
        write_collection(out, table, card, features, thumbnails, texts, release.splits)
    _report(release, out, table, card, dropped)


def _asked_for(how: Extraction) -> Backbone | None:
    """The network that the user has chosen: that its weights cannot be had is told before hours of reading."""
    if how.backbone == BUNDLED and how.weights is None:
        return None
    from love_thy_neighbors.features.extraction import chosen_backbone  # torch: late, so that mistakes are told at once

    return chosen_backbone(how)


def _features(release: Release, how: Extraction, partial: Path, backbone: Backbone | None) -> _Features:
    if isinstance(release.features, FinishedTable):
        finished = release.features
        return {finished.backbone: finished.path}, {finished.backbone: finished.about}, None
    if isinstance(release.features, GivenTable):
        return _given(release, release.features, partial)
    if release.files is not None:
        return _extracted(release, how, partial, backbone)
    return {}, {}, None


def _extracted(release: Release, how: Extraction, partial: Path, backbone: Backbone | None) -> _Features:
    """Features and thumbnails of the pictures; entries whose picture cannot be read are refused."""
    from love_thy_neighbors.features.extraction import extract_features  # torch: late

    rejects, numbers = release.rejects, release.entry_numbers()
    assert release.files is not None

    def sentence(row: int, reason: str) -> str:
        return f"has the file {release.table['file'][row].as_py()!r}, which {reason}"

    stop: Callable[[int, str], Exception] | None = None
    if rejects.on_error == "stop":
        stop = lambda row, reason: rejects.error(int(numbers[row]), sentence(row, reason))  # noqa: E731
    found = extract_features(release.files, how, partial, stop, backbone)
    for row, reason in sorted(found.rejected.items()):
        rejects.refuse(int(numbers[row]), sentence(row, reason))
    rows = _without(len(release.files), found.rejected)
    release.keep(rows)
    name, about = found.backbone.name, found.card()
    if release.int8:
        table, scale = quantise(found.table[rows])
        about["scale"] = scale
    else:
        table, rows = _float16(release, found.table, rows, partial, lambda row: f"the features of row {row}")
    thumbnails = kept_thumbnails(found.thumbnails, rows.tolist(), partial) if found.thumbnails else None
    return {name: table}, {name: about}, thumbnails


def _given(release: Release, given: GivenTable, partial: Path) -> _Features:
    """The rows of ``features=`` that belong to the entries kept, as float16."""
    table = open_npy(given.path)
    if table.ndim != 2 or table.dtype.kind != "f" or table.shape[1] == 0:
        raise UserError(f"{given.path}: {table.dtype} {list(table.shape)}, not a table [N, d] of floats.")
    word = release.rejects.word
    if len(table) != given.entries:
        raise UserError(
            f"{given.path}: {len(table)} rows, but {given.what} has {given.entries} {word}s; row k belongs to {word} "
            "k + 1."
        )
    partial.mkdir(exist_ok=True)
    rows = release.entry_numbers() - 1
    float16, _ = _float16(release, table, rows, partial, lambda row: f"the feature row {row} of {given.path}")
    about = {"source": given.path.name, "dtype_given": str(table.dtype)}
    return {GIVEN: float16}, {GIVEN: about}, None


def _float16(
    release: Release, table: np.ndarray, rows: np.ndarray, partial: Path, called: Callable[[int], str]
) -> tuple[np.ndarray, np.ndarray]:
    """``table[rows]`` as float16, and the rows left: entries with a value that float16 has not are refused."""
    numbers = release.entry_numbers()
    float16, bad = to_float16(table, rows.tolist(), partial / "float16.npy")
    for place, reason in bad.items():
        release.rejects.refuse(int(numbers[place]), f"has {called(int(rows[place]))}, which {reason}")
    places = _without(len(rows), bad)
    release.keep(places)
    if not release.table.num_rows:
        raise release.rejects.empty()
    return float16, rows[places]


def _without(count: int, left_out: Collection[int]) -> np.ndarray:
    """The numbers below ``count`` but those left out."""
    return np.setdiff1d(np.arange(count), np.array(sorted(left_out), dtype=np.int64))


def _card(release: Release, names: list[str], dropped: dict[str, int]) -> dict[str, Any]:
    rejects = release.rejects
    card = {"name": release.name, **release.about}
    card["labels"] = {
        "names": names,
        "min_positives": release.min_positives,
        "dropped": dropped,
        **release.about.get("labels", {}),
    }
    card["clean_up"] = {
        **release.counts,
        f"{rejects.word}s_rejected": len(rejects.reasons),
        "reasons": rejects.counted(),
    }
    return card


def _report(release: Release, out: Path, table: pa.Table, card: dict[str, Any], dropped: dict[str, int]) -> None:
    show(out, table.num_rows, card["statistics"])
    console = Console()
    if release.published:
        counted = card["statistics"] if release.comparable is None else statistics(release.comparable)
        show_published(counted, release.published, release.published_as)
    for name, count in release.counts.items():
        if isinstance(count, int) and count:
            console.print(f"{name.replace('_', ' ')}: {count:,}", highlight=False)
    if dropped:
        console.print(f"labels with fewer than {release.min_positives} images, dropped: {len(dropped)}")
    if release.rejects.reasons:
        word = release.rejects.word
        console.print(f"{word}s rejected: {len(release.rejects.reasons)}, see {out / 'rejected.jsonl'}")
    if not card["features"]:
        console.print(
            f"no features yet: python prepare.py source=collection root={out} features=efficientnet_lite0 images=DIR",
            soft_wrap=True,
            highlight=False,
        )
