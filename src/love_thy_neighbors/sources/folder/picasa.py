"""Picasa's files: ``.picasa.ini`` in every folder, or ``Picasa.ini`` of its first versions.

    [.album:65d12673f3b51e3f]        an album, which may have pictures of several folders
    name=Birthday
    [Contacts2]                      names of people: id=name;email;account
    d10a8325c557b085=Ann Lee;;
    [P7025200.ORF]                   a picture of this folder
    star=yes
    keywords=beer,empanadas
    caption=At the harbour
    albums=65d12673f3b51e3f
    faces=rect64(3f845bcb59418507),d10a8325c557b085;

Keywords and captions of JPEG files are in the pictures. The format is that of Franz Buchinger's description of Picasa
3.8 and of picasagallery and PicasaPy; section names are those of a file system that ignores capitals.
"""

import re
from collections.abc import Iterator, Mapping
from configparser import Error, RawConfigParser

from love_thy_neighbors.sources.folder.beside import STARRED, Beside, clean, distinct, folder_of, name_of
from love_thy_neighbors.sources.folder.embedded import Embedded

NAMES = ("picasa.ini", ".picasa.ini")  # in lower case; the second is the newer one and counts
_ALBUM = ".album:"
_FACE = re.compile(r"rect64\([0-9a-f]{1,16}\),([0-9a-f]{1,16})", re.IGNORECASE)
_ESCAPED = re.compile(r"&#(\d{1,7});")
_Sections = dict[str, dict[str, str]]  # of one folder, by name in lower case


def read_picasa(beside: Beside) -> None:
    """Add what Picasa says of pictures."""
    folders: dict[str, _Sections] = {}
    for path in sorted(beside.files, key=lambda path: name_of(path).startswith(".")):
        if name_of(path).casefold() in NAMES:
            try:
                sections = _sections(beside.read(path))
            except ValueError:
                beside.cannot_read(path, "file of Picasa")
                continue
            known = folders.setdefault(folder_of(path), {})
            known |= {name: known.get(name, {}) | section for name, section in sections.items()}
            beside.used.add(path)
    albums = distinct(dict(_albums(folders)))
    people = {id_: name for sections in folders.values() for id_, name in _people(sections)}
    for picture in beside.pictures:
        section = folders.get(folder_of(picture), {}).get(clean(name_of(picture)).casefold())
        if section:
            _say(beside, picture, section, albums, people)


def _sections(content: bytes) -> _Sections:
    """The sections of a file; raises `ValueError` if it is none of Picasa's."""
    parser = RawConfigParser(
        strict=False, delimiters=("=",), comment_prefixes=(), allow_no_value=True, default_section="\0"
    )
    try:
        parser.read_string(_decoded(content))
    except Error as error:
        raise ValueError(f"it is no file of Picasa ({str(error).splitlines()[0]})") from None
    return {
        clean(name).casefold(): {key: _text(value) for key, value in parser[name].items() if value is not None}
        for name in parser.sections()
    }


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")  # Windows' western code page, of old versions


def _text(value: str) -> str:
    """A value without Picasa's escapes for line ends and numbers of signs."""

    def sign(found: re.Match[str]) -> str:
        return chr(int(found[1])) if int(found[1]) < 0xD800 else " "

    return clean(_ESCAPED.sub(sign, value.replace("\\n", " ")))


def _albums(folders: Mapping[str, _Sections]) -> Iterator[tuple[str, str]]:
    """The id and name of each album; every folder with a picture of it says so."""
    for sections in folders.values():
        for name, section in sections.items():
            if name.startswith(_ALBUM):
                yield name.removeprefix(_ALBUM), section.get("name", "")


def _people(sections: _Sections) -> Iterator[tuple[str, str]]:
    """The id and name of each person."""
    for id_, contact in sections.get("contacts2", {}).items():
        if name := clean(contact.partition(";")[0]):
            yield id_.casefold(), name


def _say(
    beside: Beside, picture: str, section: Mapping[str, str], albums: Mapping[str, str], people: Mapping[str, str]
) -> None:
    """Add what a picture's ``section`` says."""
    faces = [id_.casefold() for id_ in _FACE.findall(section.get("faces", ""))]
    keywords = [clean(keyword) for keyword in section.get("keywords", "").split(",")]
    keywords += [people[id_] for id_ in faces if id_ in people]
    keywords += [STARRED] * (section.get("star", "").casefold() == "yes")
    tokens = [clean(token).casefold() for token in section.get("albums", "").split(",")]
    if unknown := sum(id_ not in people for id_ in faces):
        beside.note("face in Picasa", "no file of Picasa names the person", picture, unknown)
    if unknown := sum(token not in albums for token in tokens if token):
        beside.note("album in Picasa", "no file of Picasa has its name", picture, unknown)
    beside.counts["pictures_described_by_picasa"] += 1
    beside.say(
        picture,
        Embedded(
            keywords=tuple(dict.fromkeys(filter(None, keywords))),
            description=section.get("caption", ""),
            sets=tuple(albums[token] for token in tokens if token in albums),
        ),
    )
