"""Photos by their Flickr ids: ``python prepare.py source=flickr ids=ids.txt out=data/mine``.

Tags, albums and groups of each photo are fetched once and kept in a cache, an SQLite file. After an interruption the
same command continues from it. The cache also serves as ``metadata=`` of source=nuswide.
"""

import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from love_thy_neighbors.errors import UserError, require_whole
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.file_names import Found
from love_thy_neighbors.sources.flickr.cache import FAILED, FOUND, MISSING, FlickrCache
from love_thy_neighbors.sources.flickr.photo_tables import PhotoColumns
from love_thy_neighbors.sources.flickr.pictures_by_id import join_pictures
from love_thy_neighbors.sources.jsonl_lines import raw_lines
from love_thy_neighbors.sources.labels_csv import GivenLabels, read_labels
from love_thy_neighbors.sources.rejects import Rejects
from love_thy_neighbors.sources.release import GivenTable, Release, SourceOptions
from love_thy_neighbors.visible import say

if TYPE_CHECKING:
    from love_thy_neighbors.sources.flickr.api import Client

_MAX_ID = 20  # digits
_STRANGE_IN_A_ROW = 5  # photos with unexpected answers, after which the program stops


@dataclass(frozen=True, kw_only=True)
class Options(SourceOptions):
    """The keys of configs/source/flickr.yaml; raises `UserError` for values that make no sense together."""

    ids: Path | None
    cache: Path | None = None
    labels: Path | None = None
    calls_an_hour: int = 3600

    def __post_init__(self) -> None:
        if self.ids is None or not self.ids.is_file():
            raise UserError(f"ids: {self.ids or 'null'} is not a file; give a file of one id a line (ids=ids.txt).")
        super().__post_init__()
        require_whole("calls_an_hour", self.calls_an_hour, 1)

    @property
    def cache_file(self) -> Path:
        """``cache``, or the ids file with the suffix .sqlite."""
        assert self.ids is not None
        return self.ids.with_suffix(".sqlite") if self.cache is None else self.cache


def read(options: Options, how: Extraction, partial: Path) -> Release:
    """The photos of the ids file that Flickr shows; its lines are the entries. Raises `UserError`."""
    assert options.ids is not None
    rejects = Rejects(str(options.ids), "line", options.on_error)
    line_of, counts = _read_ids(options.ids, rejects)
    labels = _labels(options, line_of)
    with closing(FlickrCache(options.cache_file, create=True)) as cache:
        _fetch_missing(list(line_of), cache, options.calls_an_hour)
        known = cache.states()
        columns, numbers = PhotoColumns(), []
        for id_, number in line_of.items():
            photo = cache.photo(id_)
            if photo is not None:
                columns.add(replace(photo, labels={"": labels.of[id_]} if labels.of.get(id_) else {}))
                numbers.append(number)
    if not numbers:
        raise UserError(f"ids: Flickr shows none of the {len(line_of)} photos of {options.ids}; give other ids.")
    for state in (MISSING, FAILED):
        counts[f"photos_{state}"] = sum(known.get(id_) == state for id_ in line_of)
    release = Release(
        name=options.ids.stem,
        table=columns.table(columns.label_source(options.labels, None)),
        rejects=rejects,
        about=_about(options, counts),
        counts=counts | labels.counts,
        remarks=labels.remarks,
        texts={"rejected_labels.jsonl": labels.rejects.as_lines()} if labels.rejects.reasons else {},
        numbers=np.array(numbers, dtype=np.int64),
        features=None if options.features is None else GivenTable(options.features, counts["lines"], str(options.ids)),
        min_positives=options.min_positives,
    )
    if options.images is not None:
        join_pictures(release, options.images, how.max_pixels)
    return release


def _about(options: Options, counts: dict[str, int]) -> dict[str, Any]:
    assert options.ids is not None
    return {
        "source": {
            "ids": options.ids.name,
            "asked": "flickr.photos.getInfo, flickr.photos.getAllContexts",
            "photos_missing": counts["photos_missing"],
        },
        "licence": "not fetched; each photo has its owner's",
        "labels": {"how": "none" if options.labels is None else f"as {options.labels.name} gives them"},
        "metadata": {
            "tags": {"how": "as Flickr normalises them: lower case, no spaces"},
            "sets": {"how": "albums of the photo's owner, by id"},
            "groups": {"how": "pools of groups, by id"},
        },
    }


def _read_ids(path: Path, rejects: Rejects) -> tuple[dict[str, int], dict[str, int]]:
    """The line of each id, in the file's order, and counts; raises `UserError`."""
    line_of: dict[str, int] = {}
    counts = dict.fromkeys(("lines", "ids_repeated"), 0)
    for number, raw in raw_lines(path, max_bytes=1000):
        counts["lines"] = number
        text = None if raw is None else raw.strip()
        if text == b"":
            continue
        if text is None or not text.isdigit() or len(text) > _MAX_ID:
            shown = "a long line" if text is None else repr(text.decode("ascii", "backslashreplace")[:30])
            rejects.refuse(number, f"is {shown}, not a Flickr id (up to {_MAX_ID} digits)")
        elif (id_ := text.decode()) in line_of:
            counts["ids_repeated"] += 1
        else:
            line_of[id_] = number
    if not line_of:
        raise rejects.empty()
    return line_of, counts


class _Ids(dict[str, int]):
    """Ids with their lines, as a table of labels looks them up."""

    def find(self, name: str) -> Found | None:
        """An id as it is written."""
        return Found(name, True) if name in self else None

    def hint(self, name: str) -> str:
        """Nothing: an id that is almost the same is another photo."""
        return ""


def _labels(options: Options, line_of: dict[str, int]) -> GivenLabels:
    """The labels of the ids; empty without a file of labels."""
    if options.labels is None:
        return GivenLabels({}, Rejects("", "line", options.on_error), {})
    return read_labels(options.labels, "id", _Ids(line_of), options.on_error)


def _fetch_missing(ids: list[str], cache: FlickrCache, calls_an_hour: int) -> None:
    """Fetch those of the photos ``ids`` that the cache does not have; raises `UserError`."""
    known = cache.states()
    missing = [id_ for id_ in ids if known.get(id_) not in (FOUND, MISSING)]
    if not missing:
        return
    key, secret = (_credential(name) for name in ("FLICKR_API_KEY", "FLICKR_API_SECRET"))
    try:
        from love_thy_neighbors.sources.flickr.api import HOUR, Client, Hourly
    except ImportError:
        raise UserError("source: flickr needs flickrapi; pip install -e '.[flickr]'.") from None
    past = cache.recent_calls(time.time() - HOUR)
    client = Client(key, secret, Hourly(calls_an_hour, past, announce=_announce))
    with progress_bar("fetching photos' metadata", len(ids), len(ids) - len(missing)) as advance:
        fetch(missing, cache, client, advance)


def fetch(ids: list[str], cache: FlickrCache, client: "Client", advance: Callable[[int], None]) -> None:
    """Fetch each photo's metadata and store it before the next one.

    Raises `UserError` if Flickr refuses the key, stays unavailable, or sends several unexpected answers in a row.
    """
    from love_thy_neighbors.sources.flickr.api import StrangeAnswerError, VanishedError

    strange = 0
    for id_ in ids:
        before = client.calls
        try:
            state, metadata = FOUND, client.metadata(id_)
        except VanishedError:
            state, metadata = MISSING, {}
        except StrangeAnswerError as error:
            state, metadata = FAILED, {"reason": str(error)}
        cache.store(id_, state, metadata, client.calls - before)
        strange = strange + 1 if state == FAILED else 0
        if strange == _STRANGE_IN_A_ROW:
            raise UserError(
                f"ids: the answers for {strange} photos in a row, the last {id_}, do not come from Flickr (an answer "
                f"{metadata['reason']}); check your connection to api.flickr.com and run the same command again."
            )
        advance(1)


def _credential(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value or not value.isascii() or not value.isprintable():
        raise UserError(
            f"{name}: is not set in the environment, or is not a key; get a key and a secret at "
            "https://www.flickr.com/services/apps/create and set both (export FLICKR_API_KEY=...)."
        )
    return value


def _announce(seconds: float) -> None:
    say(f"calls_an_hour is reached; waiting for {seconds / 60:.0f} minutes.", stderr=True)
