"""The embedded collection: ``python prepare.py source=openclipart root=DIR out=data/openclipart``.

The same input gives the same ``images.parquet``, byte for byte. Features and thumbnails are the
same on one machine; another processor or Pillow version may differ in the last bit.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from love_thy_neighbors.collection import write_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.extraction import Extraction
from love_thy_neighbors.feature_tables import quantise
from love_thy_neighbors.sources.openclipart_drawings import (
    MAX_PIXELS,
    SHARED_TITLE,
    locate,
    make_records,
    merged,
    read_drawings,
)
from love_thy_neighbors.sources.openclipart_labels import LABELS
from love_thy_neighbors.sources.records import drop_rare_labels, records_table, statistics
from love_thy_neighbors.sources.writing import check_out, partial_folder, show

if TYPE_CHECKING:
    from love_thy_neighbors.features import Backbone

FLOOR = 25  # a label with fewer images than this has too few in a test split to be measured
_README = Path(__file__).with_name("openclipart_readme.md")
_LABELS = (
    "An image has a label if a keyword, or a word of one, is among the label's words (near-synonyms merged, "
    "inflections included), or if it is filed in one of the label's folders. The table is LABELS in "
    f"sources/openclipart_labels.py. A label needs at least {FLOOR} images. Nobody checked the pictures."
)
_METADATA = {
    "tags": "The remaining keywords, and the words of the title (of the file name where "
    f"{SHARED_TITLE} or more images share the title). Left out: every inflection of a label's words and "
    "compounds that end in one, the creator's name, addresses, stop words, title words under three "
    "letters, the script artefact 'hash'.",
    "sets": "Creator and title without the number it ends in, where two or more images share both.",
    "groups": "The creator's whole upload, of two images or more. There are no community pools here, and "
    "folders would give the labels away.",
}
_CLEAN_UP = (
    "Left out: stars, gradients, patterns and duplicates, files without keywords or with XML entities, "
    f"and pictures over {MAX_PIXELS:,} pixels. Byte-identical pictures are one image, with the keywords and "
    "folders of all its files, so that none is in two splits."
)


def prepare(root: str | None, out: Path, overwrite: bool, how: Extraction, floor: int = FLOOR) -> None:
    """Build the collection from the unpacked Debian packages in ``root``; raises `UserError` if it
    is not that."""
    if root is None:
        raise UserError(
            "root: give the folder that Debian's openclipart-svg and openclipart-png were unpacked into (root=DIR)."
        )
    check_out(out, overwrite)
    how = replace(how, fit="pad", max_pixels=MAX_PIXELS)  # nothing of a drawing may be cut off
    folder = locate(Path(root))
    drawings, counts = read_drawings(folder)
    pictures = merged(drawings)
    if not pictures:
        raise UserError(f"root: {root} holds no usable drawing; unpack both Debian packages.")
    records, names, dropped = drop_rare_labels(make_records(pictures), floor)
    table = records_table(records)
    with partial_folder(out) as partial:
        from love_thy_neighbors.features import extract_features  # torch: late, so that mistakes are told at once

        files = [same[0].png.resolve() for same in pictures]

        def refuse(row: int, reason: str) -> Exception:
            return UserError(f"{files[row]}: the image {reason}; unpack the packages again.")

        found = extract_features(files, how, partial, stop=refuse)
        table_int8, scale = quantise(found.table)
        card = _card(names, counts, how, found.backbone, scale)
        card["clean_up"] |= {
            "drawings": len(drawings),
            "same_picture_merged": len(drawings) - len(pictures),
            "labels_under_floor": dropped,
        }
        card["statistics"] = statistics(table)
        features = {found.backbone.name: table_int8}
        readme = {"README.md": _README.read_text(encoding="utf-8")}
        write_collection(out, table, card, features, found.thumbnails, readme)
    show(out, len(records), card["statistics"])


def _card(
    names: list[str], counts: dict[str, int], how: Extraction, backbone: "Backbone", scale: float
) -> dict[str, Any]:
    return {
        "name": "Open Clip Art Library 0.18",
        "what": "Drawings (clip art), not photographs: results on it say nothing about photographs.",
        "source": {
            "debian_packages": ["openclipart-svg 1:0.18+dfsg", "openclipart-png 1:0.18+dfsg"],
            "upstream": "https://openclipart.org, release 0.18",
        },
        "licence": "public domain (Creative Commons Public Domain Dedication by the uploaders)",
        "labels": {
            "names": names,
            "how": _LABELS,
            "rules": {name: asdict(LABELS[name]) for name in names},
            "images_without": "stay in the collection with an empty list",
        },
        "metadata": {kind: {"how": text} for kind, text in _METADATA.items()},
        "owner": "the creator; mail addresses removed",
        "clean_up": {**counts, "how": _CLEAN_UP},
        "features": {
            backbone.name: {
                **backbone.about,
                "sha256_of_weights": backbone.sha256,
                "scale": scale,
                "preprocessing": how.preprocessing,
            }
        },
        "thumbnails": f"WebP, longer side at most {how.thumbnail} pixels, transparency on white",
    }
