"""The embedded collection: ``python prepare.py source=openclipart root=DIR out=data/openclipart``.

The same input gives the same ``images.parquet``, byte for byte. Features and thumbnails can differ in the last bit on
another processor or with another version of Pillow.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from love_thy_neighbors.errors import UserError, require_whole
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.openclipart.drawings import (
    MAX_PIXELS,
    SHARED_TITLE,
    make_records,
    merged,
    read_drawings,
)
from love_thy_neighbors.sources.openclipart.labels import LABELS
from love_thy_neighbors.sources.rejects import Rejects
from love_thy_neighbors.sources.release import Release
from love_thy_neighbors.sources.tables import drop_rare_labels, records_table

_README = Path(__file__).with_name("readme.md")
_LABELS = (
    "An image has a label if a keyword, or a word of one, is among the label's words (near-synonyms merged, "
    "inflections included), or if it is in one of the label's folders. The table is LABELS in "
    "sources/openclipart/labels.py. A label needs at least min_positives images. Nobody checked the pictures."
)
_METADATA = {
    "tags": "The remaining keywords, and the words of the title (of the file name where "
    f"{SHARED_TITLE} or more images share the title). Left out: every inflection of a label's words and "
    "compounds that end in one, the creator's name, addresses, stop words, title words under three "
    "letters, the script artefact 'hash'.",
    "sets": "Creator and title without the number it ends in, where two or more images share both.",
    "groups": "All images of the creator, if two or more. There are no community groups, and folders define labels.",
}
_CLEAN_UP = (
    "Left out: stars, gradients, patterns and duplicates, files without keywords or with XML entities, "
    f"and pictures over {MAX_PIXELS:,} pixels. Byte-identical pictures are one image, with the keywords and "
    "folders of all its files, so that none is in two splits."
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The keys of configs/source/openclipart.yaml; raises `UserError`."""

    root: Path | None
    min_positives: int = 25

    def __post_init__(self) -> None:
        if self.root is None:
            raise UserError(
                "root: give the folder of Debian's unpacked openclipart-svg and openclipart-png (root=DIR)."
            )
        require_whole("min_positives", self.min_positives, 1)


def read(options: Options, how: Extraction, partial: Path) -> Release:
    """The drawings of the unpacked Debian packages in ``root``; raises `UserError` if there are none."""
    assert options.root is not None
    drawings, counts = read_drawings(options.root)
    pictures = merged(drawings)
    if not pictures:
        raise UserError(f"root: {options.root} holds no usable drawing; unpack both Debian packages.")
    table = records_table(make_records(pictures))
    _, names, dropped = drop_rare_labels(table, options.min_positives)
    return Release(
        name="Open Clip Art Library 0.18",
        table=table,
        rejects=Rejects(str(options.root), "picture", "stop"),
        about=_about(names, how),
        counts=counts
        | {
            "drawings": len(drawings),
            "same_picture_merged": len(drawings) - len(pictures),
            "labels_under_floor": dropped,
            "how": _CLEAN_UP,
        },
        files=[same[0].png.resolve() for same in pictures],
        how=replace(how, fit="pad", max_pixels=MAX_PIXELS),  # cropping would cut off parts of a drawing
        int8=True,
        min_positives=options.min_positives,
        texts={"README.md": _README.read_text(encoding="utf-8")},
    )


def _about(names: list[str], how: Extraction) -> dict[str, Any]:
    return {
        "what": "Drawings (clip art), not photographs: results on it say nothing about photographs.",
        "source": {
            "debian_packages": ["openclipart-svg 1:0.18+dfsg", "openclipart-png 1:0.18+dfsg"],
            "upstream": "https://openclipart.org, release 0.18",
        },
        "licence": "public domain (Creative Commons Public Domain Dedication by the uploaders)",
        "labels": {
            "how": _LABELS,
            "rules": {name: asdict(LABELS[name]) for name in names},
            "images_without": "stay in the collection with an empty list",
        },
        "metadata": {kind: {"how": text} for kind, text in _METADATA.items()},
        "owner": "the creator; mail addresses removed",
        "thumbnails": f"WebP, longer side at most {how.thumbnail} pixels, transparency on white",
    }
