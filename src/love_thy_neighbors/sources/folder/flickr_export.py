"""A Flickr account as its owner downloads it: ``photo_ID.json`` for each photo, ``albums.json``, and the photos.

    {"id": "2634391576", "name": "Killarney Lake", "description": "<b>Ferns</b> &amp; fog", "tags": [{"tag": "lake"}],
     "date_taken": "2008-07-01 13:04:18", "photopage": "https://www.flickr.com/photos/boris/2634391576/",
     "albums": [{"id": "72157", "title": "Canada"}], "groups": [{"id": "11@N00", "name": "Lakes"}]}

Albums and groups are also written as ids alone. Pictures and JSON files lie in different folders, and the name of a
picture has the id: ``killarney-lake_2634391576_o.jpg``, or ``2634391576_6ab6f1017f_o.jpg`` for a photo without a title.
The fields and names are those that offlickr, flickr-archive and Flickr2Any-Tool read.
"""

import html
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.sources.folder.beside import Beside, clean, distinct, folder_of, name_of
from love_thy_neighbors.sources.folder.dates import local_time
from love_thy_neighbors.sources.folder.embedded import Embedded

_PHOTO = re.compile(r"photo_(\d+)\.json", re.ASCII)
_OWNER = re.compile(r"https?://(?:www\.)?flickr\.com/photos/([^/]+)/")
_HTML_TAG = re.compile(r"<[^<>]*>")
_MAX_ALBUMS_BYTES = 64 << 20  # albums.json has the ids of all photos
# Of machine tags (namespace:predicate=value): what programs write about place, camera and way of sending.
_PROGRAMS = frozenset({"geo", "exif", "camera", "vision", "uploaded", "flickr", "flickriosapp", "flickrandroidapp"})
_MACHINE_TAG = re.compile(r"([a-z]\w*):(\w+)=.*", re.IGNORECASE | re.DOTALL)


@dataclass
class _Named:
    """The names of albums or groups by id, and the ids of those of each photo, by the photo's id."""

    names: dict[str, str] = field(default_factory=dict)
    of: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, photo: str, entries: Any, key: str) -> None:
        """Note the ``entries`` of a photo, which are ids, or objects with an id and a name under ``key``."""
        for entry in entries if isinstance(entries, list) else ():
            one = entry if isinstance(entry, dict) else {"id": entry}
            name = _text(one.get(key))
            id_ = str(one.get("id") or one.get("url") or name)
            self.names[id_] = self.names.get(id_) or name
            self.of.setdefault(photo, {})[id_] = None

    def by_photo(self) -> dict[str, tuple[str, ...]]:
        """The names for each photo."""
        names = distinct(self.names)
        return {photo: tuple(names[id_] for id_ in ids) for photo, ids in self.of.items()}


def read_flickr_export(beside: Beside) -> None:
    """Add what Flickr's exports among the files ``beside`` pictures say."""
    files = {found[1]: path for path in reversed(beside.files) if (found := _PHOTO.fullmatch(name_of(path)))}
    if not files:
        return
    pairs = {picture: id_ for picture in beside.pictures if (id_ := _id_of(name_of(picture), files))}
    photos = _read_photos(beside, {id_: files[id_] for id_ in sorted(set(pairs.values()))})
    albums, groups = _read_albums(beside), _Named()
    for id_, photo in photos.items():
        albums.add(id_, photo.get("albums"), "title")
        groups.add(id_, photo.get("groups"), "name")
    sets_of, groups_of = albums.by_photo(), groups.by_photo()
    for picture, id_ in pairs.items():
        about = _metadata(beside, picture, photos[id_]) if id_ in photos else Embedded()
        beside.say(picture, replace(about, sets=sets_of.get(id_, ()), groups=groups_of.get(id_, ())))
    folders = set(map(folder_of, pairs))  # such as data-download-1, which holds any 500 photos
    beside.sets |= dict.fromkeys((picture for picture in beside.pictures if folder_of(picture) in folders), "")
    beside.counts["pictures_described_by_flickr"] += sum(id_ in photos for id_ in pairs.values())
    beside.counts["flickr_json_files_without_a_picture"] += len(files.keys() - set(pairs.values()))
    beside.used |= set(files.values())


def _id_of(name: str, files: Collection[str]) -> str:
    """The id in the name of a picture, '' if it has none that one of the ``files`` is about.

    A title before it may contain numbers; a secret after it is never an id.
    """
    ids = [part for part in name.rpartition(".")[0].split("_") if part in files]
    return ids[-1] if ids else ""


def _read_photos(beside: Beside, files: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The JSON objects of the photos by id."""
    photos = {}
    with progress_bar("reading Flickr's JSON", len(files)) as advance:
        for id_, path in files.items():
            advance(1)
            try:
                value = beside.json(path)
                if not isinstance(value, dict) or str(value.get("id")) != id_:
                    raise ValueError("it is not about the photo that its name says")
                photos[id_] = value
            except ValueError:
                beside.cannot_read(path, "JSON file of Flickr")
    return photos


def _read_albums(beside: Beside) -> _Named:
    """The albums in all files ``albums.json``: the photos of each, by id."""
    albums = _Named()
    for path in beside.files:
        if name_of(path) != "albums.json":
            continue
        try:
            value = beside.json(path, _MAX_ALBUMS_BYTES)
            if not isinstance(value, dict) or not isinstance(value.get("albums"), list):
                raise ValueError("it has no list of albums")
        except ValueError:
            beside.cannot_read(path, "JSON file of Flickr")
            continue
        beside.used.add(path)
        for album in value["albums"]:
            ids = album.get("photos") if isinstance(album, dict) else None
            for photo in ["", *ids] if isinstance(ids, list) else [""]:  # "": it has a name, even if it is empty
                albums.add(str(photo), [album], "title")
    return albums


def _metadata(beside: Beside, picture: str, photo: Mapping[str, Any]) -> Embedded:
    """Tags, texts, owner and date of a photo."""
    owner = _OWNER.match(str(photo.get("photopage")))
    return Embedded(
        keywords=tuple(dict.fromkeys(_tags(beside, picture, photo.get("tags")))),
        title=_text(photo.get("name")),
        description=_text(_HTML_TAG.sub(" ", str(photo.get("description") or ""))),
        artist=owner[1] if owner else "",
        taken=local_time(clean(photo.get("date_taken"))),
    )


def _tags(beside: Beside, picture: str, entries: Any) -> Iterator[str]:
    """The tags of a photo, without those that programs write about place, camera and way of sending."""
    for entry in entries if isinstance(entries, list) else ():
        tag = _text(entry.get("tag") if isinstance(entry, dict) else entry)
        machine = _MACHINE_TAG.fullmatch(tag)
        if machine and machine[1].lower() in _PROGRAMS:
            beside.note(f"{machine[1]}:{machine[2]}=", "a machine tag that programs write", picture)
        elif tag:
            yield tag


def _text(value: Any) -> str:
    """A text of the export without HTML's escapes."""
    return clean(html.unescape(value)) if isinstance(value, str) else ""
