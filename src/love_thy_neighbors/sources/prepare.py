"""Make a collection from what a source has read: features, frequent labels, card, Table 1."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from love_thy_neighbors.collection.card import UPDATE
from love_thy_neighbors.collection.feature_tables import Stored, is_enough_int8, quantise, store
from love_thy_neighbors.collection.writing import NAMES, own_names, write_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones import BUNDLED, Backbone
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.ownership import require_own
from love_thy_neighbors.sources.contents import hashes_of, to_be_kept
from love_thy_neighbors.sources.given_features import open_given
from love_thy_neighbors.sources.keeping import Update, extract, nothing_to_keep, planned, with_side
from love_thy_neighbors.sources.release import FinishedTable, GivenTable, Release, SourceOptions
from love_thy_neighbors.sources.same_pictures import LISTED, leave_out_same_pictures
from love_thy_neighbors.sources.tables import drop_rare_labels, statistics
from love_thy_neighbors.sources.updating import Earlier, compare, earlier_collection, update_entry
from love_thy_neighbors.sources.writing import check_out, kept_thumbnails, partial_folder, show, show_published
from love_thy_neighbors.terminal import terminal

GIVEN = "given"  # the name of the user's feature table

Options = TypeVar("Options")
Read = Callable[[Options, Extraction, Path], Release]


@dataclass(frozen=True)
class _Features:
    """Feature tables (or files with them), their entries in the card, the folder of thumbnails, hashes of the pictures
    (`contents`), and what the card says about an update."""

    tables: Mapping[str, np.ndarray | Path]
    about: dict[str, Any]
    thumbnails: Path | None = None
    pictures: pa.Table | None = None
    update: dict[str, Any] | None = None


def make(
    read: Read[Options], options: Options, out: Path, overwrite: bool, how: Extraction, update: bool = False
) -> None:
    """Write the collection ``out`` from what ``read`` returns; raises `UserError`, and then has written nothing.

    update: keep the features of the pictures that the collection there has already (`updating`).
    """
    given = [getattr(options, key.name) for key in reversed(fields(options))]  # type: ignore[arg-type]
    inputs = [value for value in given if isinstance(value, Path)]
    if update and overwrite:
        raise UserError("update, overwrite: give one of the two: update=true keeps features, overwrite=true does not.")
    check_out(out, overwrite or update, *inputs)
    backbone = None
    if how.backbone != BUNDLED or how.weights is not None:  # fails before hours of reading if there are no weights
        from love_thy_neighbors.features.extraction import chosen_backbone  # torch takes seconds to import

        backbone = chosen_backbone(how)
    with partial_folder(out, NAMES) as partial:
        check_out(out, overwrite or update, *inputs)  # it may be there again, see `end_replacing`
        earlier = earlier_collection(out) if update else None
        release = read(options, how, partial)
        if not release.table.num_rows:
            raise release.rejects.empty()
        require_own(out, own_names(out, release.texts), "out: ")
        if isinstance(options, SourceOptions) and release.files is not None:
            leave_out_same_pictures(release, options.same_picture_share)
        features = _features(release, release.how or how, partial, backbone, earlier)
        table, names, dropped = drop_rare_labels(release.table, release.min_positives)
        card = _card(release, names, dropped) | {"features": features.about, "statistics": statistics(table)}
        card |= {} if features.update is None else {UPDATE: features.update}
        pictures = features.pictures and to_be_kept(features.pictures, release.files or [])
        rejected = release.rejects.as_lines() + release.not_taken.as_lines()
        texts = release.texts | ({"rejected.jsonl": rejected} if rejected else {})
        write_collection(out, table, card, features.tables, features.thumbnails, texts, release.splits, pictures)
    show(out, table.num_rows, card["statistics"])
    if release.published:
        counted = card["statistics"] if release.comparable is None else statistics(release.comparable)
        show_published(counted, release.published, release.published_as)
    _show_remarks(release, out, len(dropped), features)


def _features(
    release: Release, how: Extraction, partial: Path, backbone: Backbone | None, earlier: Earlier | None
) -> _Features:
    match release.features:
        case FinishedTable(name, path, about):
            made = _Features({name: path}, {name: about})
        case GivenTable():
            made = _given(release, release.features, partial)
        case _ if release.files is None:
            made = _Features({}, {})
        case _:
            return _extracted(release, how, partial, backbone, earlier)
    return made if earlier is None else replace(made, update=nothing_to_keep(earlier, made.tables))


def _extracted(
    release: Release, how: Extraction, partial: Path, backbone: Backbone | None, earlier: Earlier | None
) -> _Features:
    """Features and thumbnails of the pictures; entries with an unreadable picture are refused.

    Of pictures that ``earlier`` has, they are copied. Its other tables get rows for the new pictures, too.
    """
    from love_thy_neighbors.features.extraction import chosen_backbone  # torch takes seconds to import

    rejects, numbers = release.rejects, release.entry_numbers()
    assert release.files is not None
    backbone = backbone or chosen_backbone(how)
    # Another scale would fit the steps of int8 to new pictures, so such a table is always made anew.
    pictures = None if release.int8 else hashes_of(release, partial, earlier and earlier.pictures)
    update = None if earlier is None else planned(earlier, pictures, how, backbone, rejects.where)

    def refuse(row: int, reason: str) -> None:
        rejects.refuse(int(numbers[row]), f"has the file {release.table['file'][row].as_py()!r}, which {reason}")

    kept = None if update is None else update.kept
    found = extract(release.files, how, partial, refuse, backbone, kept)
    rows = np.delete(np.arange(len(release.files)), list(found.rejected))
    release.keep(rows)
    name, about = found.backbone.name, found.card
    if release.int8 and is_enough_int8(found.table[rows], (small := quantise(found.table[rows]))[1]):
        table, about["scale"] = small
    else:
        stored, rows = _stored(release, found.table, rows, partial, name, "the features of row {}")
        table, about = stored.table, about | stored.about
    thumbnails = kept_thumbnails(found.thumbnails, rows.tolist(), partial) if found.thumbnails else None
    made = _Features(
        {name: table}, {name: about}, thumbnails, pictures and with_side(pictures.take(rows), how.thumbnail)
    )
    return made if update is None else _updated(made, update, release, rows, partial)


def _updated(made: _Features, update: Update, release: Release, rows: np.ndarray, partial: Path) -> _Features:
    """The rest of an update: the other tables, in their old order, and what the card says. rows: those that are left
    of the pictures that were compared."""
    assert release.files is not None
    tables, about = dict(made.tables), dict(made.about)
    before, now = update.earlier.pictures, made.pictures
    found = None if before is None or now is None else compare(before, now)
    rows_there = None if found is None else found.rows
    for name in update.others:
        tables[name], about[name] = update.other_table(name, release.files, rows_there, partial)
    order = [name for name in update.earlier.card["features"] if name in tables] or list(tables)
    counts = {} if found is None else found.as_dict()
    computed = len(rows) if update.kept is None else int((update.kept.rows[rows] < 0).sum())
    entry = update_entry(update.earlier, counts, computed)
    return replace(
        made, tables={name: tables[name] for name in order}, about={k: about[k] for k in order}, update=entry
    )


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
    return _Features({GIVEN: stored.table}, {GIVEN: about})


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


def _show_remarks(release: Release, out: Path, dropped: int, features: _Features) -> None:
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
    if release.rejects.reasons:
        lines.append(f"left out: {release.rejects.share()}, see {out / 'rejected.jsonl'}. {release.rejects.first()}")
    lines += release.remarks
    lines += [
        f"features {name} are stored {about['stored']}" for name, about in features.about.items() if "stored" in about
    ]
    for line in lines:
        terminal().print(line, soft_wrap=True, highlight=False)
