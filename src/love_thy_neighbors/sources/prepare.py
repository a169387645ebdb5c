"""Make a collection from what a source has read: features, frequent labels, card, Table 1."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from love_thy_neighbors.collection.feature_tables import Stored, is_enough_int8, quantise, store
from love_thy_neighbors.collection.writing import NAMES, own_names, write_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones import BUNDLED, Backbone
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.ownership import require_own
from love_thy_neighbors.sources.given_features import open_given
from love_thy_neighbors.sources.release import FinishedTable, GivenTable, Release, SourceOptions
from love_thy_neighbors.sources.same_pictures import LISTED, leave_out_same_pictures
from love_thy_neighbors.sources.tables import drop_rare_labels, statistics
from love_thy_neighbors.sources.writing import check_out, kept_thumbnails, partial_folder, show, show_published
from love_thy_neighbors.terminal import terminal

GIVEN = "given"  # the name of the user's feature table

Options = TypeVar("Options")
Read = Callable[[Options, Extraction, Path], Release]
# Rows of each feature table (or the file with them), entries of the tables in the card, folder of thumbnails.
_Features = tuple[Mapping[str, np.ndarray | Path], dict[str, Any], Path | None]


def make(read: Read[Options], options: Options, out: Path, overwrite: bool, how: Extraction) -> None:
    """Write the collection ``out`` from what ``read`` returns; raises `UserError`, and then has written nothing."""
    given = [getattr(options, key.name) for key in reversed(fields(options))]  # type: ignore[arg-type]
    inputs = [value for value in given if isinstance(value, Path)]
    check_out(out, overwrite, *inputs)
    backbone = None
    if how.backbone != BUNDLED or how.weights is not None:  # fails before hours of reading if there are no weights
        from love_thy_neighbors.features.extraction import chosen_backbone  # torch takes seconds to import

        backbone = chosen_backbone(how)
    with partial_folder(out, NAMES) as partial:
        check_out(out, overwrite, *inputs)  # it may be there again, see `end_replacing`
        release = read(options, how, partial)
        if not release.table.num_rows:
            raise release.rejects.empty()
        require_own(out, own_names(out, release.texts), "out: ")
        if isinstance(options, SourceOptions) and release.files is not None:
            leave_out_same_pictures(release, options.same_picture_share)
        features, about, thumbnails = _features(release, release.how or how, partial, backbone)
        table, names, dropped = drop_rare_labels(release.table, release.min_positives)
        card = _card(release, names, dropped) | {"features": about, "statistics": statistics(table)}
        rejected = release.rejects.as_lines() + release.not_taken.as_lines()
        texts = release.texts | ({"rejected.jsonl": rejected} if rejected else {})
        write_collection(out, table, card, features, thumbnails, texts, release.splits)
    show(out, table.num_rows, card["statistics"])
    if release.published:
        counted = card["statistics"] if release.comparable is None else statistics(release.comparable)
        show_published(counted, release.published, release.published_as)
    _show_remarks(release, out, len(dropped), about)


def _features(release: Release, how: Extraction, partial: Path, backbone: Backbone | None) -> _Features:
    match release.features:
        case FinishedTable(name, path, about):
            return {name: path}, {name: about}, None
        case GivenTable():
            return _given(release, release.features, partial)
    return ({}, {}, None) if release.files is None else _extracted(release, how, partial, backbone)


def _extracted(release: Release, how: Extraction, partial: Path, backbone: Backbone | None) -> _Features:
    """Features and thumbnails of the pictures; entries with an unreadable picture are refused."""
    from love_thy_neighbors.features.extraction import extract_features  # torch takes seconds to import

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
    rows = np.delete(np.arange(len(release.files)), list(found.rejected))
    release.keep(rows)
    name, about = found.backbone.name, found.card
    if release.int8 and is_enough_int8(found.table[rows], (small := quantise(found.table[rows]))[1]):
        table, about["scale"] = small
    else:
        stored, rows = _stored(release, found.table, rows, partial, name, "the features of row {}")
        table, about = stored.table, about | stored.about
    thumbnails = kept_thumbnails(found.thumbnails, rows.tolist(), partial) if found.thumbnails else None
    return {name: table}, {name: about}, thumbnails


def _given(release: Release, given: GivenTable, partial: Path) -> _Features:
    """The rows of ``features=`` for the entries that are kept."""
    table = open_given(given.path, partial)
    word = release.rejects.word
    if len(table) != given.entries:
        raise UserError(
            f"{given.path}: {len(table)} rows, but {given.what} has {given.entries} {word}s; row k belongs to {word} "
            "k + 1."
        )
    partial.mkdir(exist_ok=True)
    rows = release.entry_numbers() - 1
    stored, _ = _stored(release, table, rows, partial, str(given.path), f"the feature row {{}} of {given.path}")
    about = {"source": given.path.name, "dtype_given": str(table.dtype), **stored.about}
    return {GIVEN: stored.table}, {GIVEN: about}, None


def _stored(
    release: Release, table: np.ndarray, rows: np.ndarray, partial: Path, what: str, name: str
) -> tuple[Stored, np.ndarray]:
    """``table[rows]`` in the folder ``partial``, and the rows that are left: entries with a value that cannot be stored
    are refused. ``what`` names the table in errors, ``name`` a row; it has a place for the row number."""
    numbers = release.entry_numbers()
    stored = store(table, rows.tolist(), partial / "stored.npy", what)
    for place, reason in stored.bad.items():
        row = name.replace("{}", str(rows[place]), 1)
        release.rejects.refuse(int(numbers[place]), f"has {row}, which {reason}")
    places = np.delete(np.arange(len(rows)), list(stored.bad))
    release.keep(places)
    if not release.table.num_rows:
        raise release.rejects.empty()
    return stored, rows[places]


def _card(release: Release, names: list[str], dropped: dict[str, int]) -> dict[str, Any]:
    rejects, labels = release.rejects, {"names": names, "min_positives": release.min_positives, "dropped": dropped}
    rejected: dict[str, Any] = {f"{rejects.word}s_rejected": len(rejects.reasons), "reasons": rejects.counted()}
    if not_taken := release.not_taken.listed():
        rejected["metadata_not_taken"] = not_taken
    card = {"name": release.name, **release.about, "clean_up": release.counts | rejected}
    return card | {"labels": labels | release.about.get("labels", {})}


def _show_remarks(release: Release, out: Path, dropped: int, features: dict[str, Any]) -> None:
    lines = [
        f"{name.replace('_', ' ')}: {count:,}"
        for name, count in release.counts.items()
        if isinstance(count, int) and count
    ]
    lines += release.not_taken.shown()
    if LISTED in release.texts:
        lines.append(f"pictures that are the same under several ids: see {out / LISTED}")
    if dropped:
        lines.append(f"labels with fewer than {release.min_positives} images, dropped: {dropped}")
    if rejected := len(release.rejects.reasons):
        lines.append(f"{release.rejects.word}s rejected: {rejected}, see {out / 'rejected.jsonl'}")
    lines += [f"features {name} are stored {about['stored']}" for name, about in features.items() if "stored" in about]
    if not features:
        command = f"python prepare.py source=collection root={out} features=efficientnet_lite0 images=DIR"
        lines.append(f"no features yet: {command}")
    for line in lines:
        terminal().print(line, soft_wrap=True, highlight=False)
