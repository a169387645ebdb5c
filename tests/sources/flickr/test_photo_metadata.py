"""sources/photo_metadata, mcauley_xml: what an XML file of photos may hold, what each mistake says, and that neither a
large file nor a hostile one takes memory."""

import io
import sqlite3
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import mcauley
from fixtures.messages import names_the_same
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.flickr import mcauley_xml
from love_thy_neighbors.sources.flickr.cache import FlickrCache
from love_thy_neighbors.sources.flickr.photo_metadata import megabytes, read_photo_metadata
from love_thy_neighbors.sources.flickr.photo_tables import Photo

PHOTO = b'<photo id="1"><tags><tag>a</tag></tags></photo>'
NOT_PHOTOS = "this is not a file of photos, or it is damaged."
DAMAGED = "correct the line, or download the file again."
DECLARED = (
    "declares a document type or an entity, and neither is ever expanded; remove the declaration, or download the file "
    "again."
)


def photos_of(folder: Path, content: bytes) -> list[Photo]:
    path = folder / "photos.xml"
    path.write_bytes(content)
    return list(read_photo_metadata(path))


def error_of(path: Path, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        list(read_photo_metadata(path))
    return str(caught.value).replace(f"{folder}/", "")


def test_sets_pools_and_labels_are_told_apart(tmp_path: Path) -> None:
    photos = list(read_photo_metadata(mcauley.write(tmp_path)))
    assert len(photos) == 92
    assert photos[5] == Photo(
        id=mcauley.photo_id(5),
        owner="5@N00",
        tags=("persontag1", "persontag0", "fish & chips"),
        sets=("7216",),
        groups=("2@N00", "11@N00"),
        labels={"NUS": ("person",), "MIR": ("structures",)},
    )
    assert [photo.without_id for photo in photos[:4]] == [0, 0, 1, 0]
    assert photos[9].labels == {}
    assert photos[90] == photos[0]
    assert photos[91] == Photo("77")


PHOTOS: list[tuple[str, bytes, list[Photo]]] = [
    ("an id with spaces around", b'<x><photo id=" 1 "/></x>', [Photo("1")]),
    ("no id", b"<x><photo/></x>", [Photo("")]),
    ("another root, deeper", b"<a><b>" + PHOTO + b"</b></a>", [Photo("1", tags=("a",))]),
    ("a photo within a photo is not one", b'<x><photo id="1"><photo id="2"/></photo></x>', [Photo("1")]),
    ("tags outside photos", b"<x><tag>b</tag>" + PHOTO + b"<pool id='3'/></x>", [Photo("1", tags=("a",))]),
    ("an owner without nsid", b"<x><photo id='1'><owner nsid=''/></photo></x>", [Photo("1")]),
    ("white space in a tag", b"<x><photo id='1'><tag> a\n b </tag></photo></x>", [Photo("1", tags=("a b",))]),
    ("a comment in a tag", b"<x><photo id='1'><tag>a<!-- x -->b</tag></photo></x>", [Photo("1", tags=("ab",))]),
    (
        "the five entities that XML has",
        b"<x><photo id='1'><tag>&lt;&#65;&amp;</tag></photo></x>",
        [Photo("1", tags=("<A&",))],
    ),
    ("a label without source", b"<x><photo id='1'><label>a</label></photo></x>", [Photo("1", labels={"": ("a",)})]),
    ("an album twice", b"<x><photo id='1'><set id='1'/><set id='1'/></photo></x>", [Photo("1", sets=("1",))]),
    ("a byte order mark", b"\xef\xbb\xbf<x>" + PHOTO + b"</x>", [Photo("1", tags=("a",))]),
    (
        "declared latin-1",
        b"<?xml version='1.0' encoding='latin-1'?><x><photo id='1'><tag>\xe9</tag></photo></x>",
        [Photo("1", tags=("\xe9",))],
    ),
    ("UTF-16", ("\ufeff<x>" + PHOTO.decode() + "</x>").encode("utf-16-le"), [Photo("1", tags=("a",))]),
    (
        "not cut at a block's end",
        b"<x>" + b"<photo id='1'><tag>abc</tag></photo>" * 5000 + b"</x>",
        [Photo("1", tags=("abc",))] * 5000,
    ),
]


@pytest.mark.parametrize(("content", "expected"), [case[1:] for case in PHOTOS], ids=[case[0] for case in PHOTOS])
def test_what_a_photo_may_look_like(tmp_path: Path, content: bytes, expected: list[Photo]) -> None:
    assert photos_of(tmp_path, content) == expected


BOMB = b'<?xml version="1.0"?>\n<!DOCTYPE x [\n<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>\n<x>&b;</x>'
MISTAKES: list[tuple[str, bytes, str]] = [
    ("empty", b"", f", line 1: is not well-formed XML (no element found, column 1); {DAMAGED}"),
    ("no photo", b"<photos/>", ": holds no photo; give an XML file with <photo> elements, or another cache."),
    ("a web page", b"<!DOCTYPE html>\n<html></html>", f", line 1: {DECLARED}"),
    ("an entity bomb", BOMB, f", line 2: {DECLARED}"),
    ("a file from outside", b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', f", line 1: {DECLARED}"),
    ("stray bytes", b"<x>\n<photo id='1'>\n<title>\xff\xfe</title></photo></x>", f", line 3: is not well-formed XML (not well-formed (invalid token), column 8); {DAMAGED}"),
    ("a control character", b"<x>\n<photo id='1'>\x01</photo></x>", f", line 2: is not well-formed XML (not well-formed (invalid token), column 15); {DAMAGED}"),
    ("cut off", b"<x>\n" + PHOTO, f", line 2: is not well-formed XML (no element found, column 48); {DAMAGED}"),
    ("an unknown entity", b"<x>\n\n&nbsp;</x>", f", line 3: is not well-formed XML (undefined entity, column 1); {DAMAGED}"),
    ("tags that cross", b"<x>\n<photo id='1'><tag></photo></tag></x>", f", line 2: is not well-formed XML (mismatched tag, column 22); {DAMAGED}"),
    ("an unknown encoding", b"<?xml version='1.0' encoding='klingon'?><x/>", ", line 1: cannot be decoded (unknown encoding: klingon); save it as UTF-8."),
    ("a multi-byte encoding", b"<?xml version='1.0' encoding='gbk'?><x/>", ", line 1: cannot be decoded (multi-byte encodings are not supported); save it as UTF-8."),
    ("a tag without end", b"<x>\n<photo id='" + b"a" * 2_000_000 + b"'/></x>", f", line 2: holds a tag or comment of more than 1,000,000 bytes; {NOT_PHOTOS}"),
    ("a comment without end", b"<x><!--" + b"a" * 2_000_000 + b"--></x>", f", line 1: holds a tag or comment of more than 1,000,000 bytes; {NOT_PHOTOS}"),
    ("too deep", b"<a>" * 200, f", line 1: nests elements more than 100 deep; {NOT_PHOTOS}"),
    ("too many names", b"<x>" + b"".join(b"<a%d/>" % k for k in range(30_000)), f", line 1: holds more than 10,000 different names of elements; {NOT_PHOTOS}"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), [case[1:] for case in MISTAKES], ids=[case[0] for case in MISTAKES])
def test_a_mistake_is_one_sentence_with_its_line(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "photos.xml"
    path.write_bytes(content)
    assert names_the_same(error_of(path, tmp_path), f"photos.xml{expected}")


class Endless(io.RawIOBase):
    """A file of ``size`` bytes that repeats ``block`` between ``start`` and ``end``; it is never held anywhere."""

    def __init__(self, size: int, block: bytes, start: bytes = b"<photos>", end: bytes = b"</photos>") -> None:
        self._pieces = self._parts(start, block, size // len(block), end)
        self._rest = b""

    @staticmethod
    def _parts(start: bytes, block: bytes, times: int, end: bytes) -> Iterator[bytes]:
        yield start
        for _ in range(times):
            yield block
        yield end

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, None)) is not None:
            self._rest += piece
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


class Stream:
    """Stands in for the path of an `Endless` file."""

    def __init__(self, file: Endless) -> None:
        self._file = file

    def open(self, mode: str) -> Endless:
        return self._file

    def __str__(self) -> str:
        return "photos.xml"


def peak_of(file: Endless) -> tuple[int, int]:
    """How many photos a file has, and the most memory that reading took, in bytes."""
    tracemalloc.start()
    try:
        count = sum(1 for _ in mcauley_xml.stream_photos(Stream(file), lambda megabytes: None))  # type: ignore[arg-type]
        return count, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file() -> None:
    block = "".join(mcauley.photo(number) for number in range(40)).encode()
    few, small = peak_of(Endless(400_000, block))
    many, large = peak_of(Endless(4_000_000, block))
    assert many > 9 * few > 0
    assert large < 1.2 * small


@pytest.mark.slow
def test_memory_is_constant_over_a_hundred_megabytes() -> None:
    block = "".join(mcauley.photo(number) for number in range(40)).encode()
    count, peak = peak_of(Endless(100_000_000, block))
    assert count > 50_000
    assert peak < 3_000_000


@pytest.mark.parametrize("block", [b"<tag>%s</tag>" % (b"a" * 1000), b"<title>x</title>" * 100, b"text " * 1000])
def test_one_photo_without_end_is_refused(monkeypatch: pytest.MonkeyPatch, block: bytes) -> None:
    monkeypatch.setattr(mcauley_xml, "MAX_PHOTO_BYTES", 300_000)
    file = Endless(20_000_000, block, start=b"<photos>\n<photo id='1'>")
    with pytest.raises(UserError) as caught:
        peak_of(file)
    assert names_the_same(
        str(caught.value), f"photos.xml, line 2: holds a <photo> of more than 300,000 bytes; {NOT_PHOTOS}"
    )
    assert len(file.read(1 << 20)) == 1 << 20  # it was refused early


def test_progress_is_told_in_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "photos.xml"
    path.write_bytes(b"<x>" + PHOTO + b" " * 3_500_000 + PHOTO + b"</x>")
    told: list[int] = []
    assert len(list(read_photo_metadata(path, told.append))) == 2
    assert sum(told) == megabytes(path) == 3


def test_a_folder_is_its_xml_files_in_order(tmp_path: Path) -> None:
    for name, id_ in (("photosNUS", "2"), ("photosMIR", "1"), ("other", "3")):
        (tmp_path / f"{name}.xml").write_text(f'<photos><photo id="{id_}"/></photos>')
    assert [photo.id for photo in read_photo_metadata(tmp_path)] == ["1", "2"]


def test_paths_that_are_no_metadata(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="none.xml does not exist"):
        read_photo_metadata(tmp_path / "none.xml")  # at once, not when the first photo is asked for
    with pytest.raises(UserError, match="empty holds no photos\\*.xml"):
        read_photo_metadata(tmp_path / "empty")


ROW = '{"owner": null, "tags": ["a"], "sets": [], "groups": ["1@N"]}'


def test_a_cache_of_flickr_is_metadata_too(tmp_path: Path) -> None:
    cache = FlickrCache(tmp_path / "ids.sqlite", create=True)
    cache.store("2", "found", {"owner": "1@N00", "tags": ["x", "y"], "sets": ["7"], "groups": []}, 2)
    cache.store("1", "missing", {}, 1)
    cache.store("3", "failed", {"reason": "is not JSON"}, 3)
    cache.close()
    assert list(read_photo_metadata(cache.path)) == [Photo("2", "1@N00", ("x", "y"), ("7",))]


BAD_CACHES: list[tuple[str, str, str]] = [
    ("another database", "DROP TABLE photos; CREATE TABLE films (id)", "is an SQLite file, but not a cache that source=flickr wrote; give another file."),
    ("another version", "PRAGMA user_version = 2", "is an SQLite file, but not a cache that source=flickr wrote; give another file."),
    ("a view that would be run", "CREATE VIEW v AS SELECT load_extension('x')", "is an SQLite file, but not a cache that source=flickr wrote; give another file."),
    ("other columns", "DROP TABLE photos; CREATE TABLE photos (id)", "is not a sound cache of source=flickr (no such column: metadata); fetch it into another file."),
    *(
        (name, f"UPDATE photos SET metadata = {value}", "is not a sound cache of source=flickr (the row of photo '1' is not what is written there); fetch it into another file.")
        for name, value in (
            ("not JSON", "'{'"),
            ("a list", "'[]'"),
            ("a key less", """'{"owner": null}'"""),
            ("a number for a tag", f"'{ROW}'".replace('"a"', "1")),
            ("text for a list", f"'{ROW}'".replace('["a"]', '"a"')),
            ("an object for a list", f"'{ROW}'".replace('["a"]', '{"a": 1}')),
            ("an empty tag", f"'{ROW}'".replace('"a"', '""')),
            ("an owner that is a list", f"'{ROW}'".replace("null", "[]")),
            ("bytes", "x'ff00'"),
            ("nested without end", "printf('%.*c', 100000, '[')"),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), [case[1:] for case in BAD_CACHES], ids=[case[0] for case in BAD_CACHES])
def test_a_cache_that_is_none(tmp_path: Path, change: str, reason: str) -> None:
    path = tmp_path / "ids.sqlite"
    cache = FlickrCache(path, create=True)
    cache.store("1", "found", {}, 2)
    cache.close()
    rows = sqlite3.connect(path)
    rows.executescript(change)
    rows.close()
    assert names_the_same(error_of(path, tmp_path), f"ids.sqlite: {reason}")


@pytest.mark.parametrize("size", [16, 100, 5000])
def test_a_cache_cut_short(tmp_path: Path, size: int) -> None:
    path = tmp_path / "ids.sqlite"
    cache = FlickrCache(path, create=True)
    for number in range(20):
        cache.store(str(number), "found", {"owner": None, "tags": ["a" * 400], "sets": [], "groups": []}, 2)
    cache.close()
    path.write_bytes(path.read_bytes()[:size])
    assert error_of(path, tmp_path).startswith("ids.sqlite: is not a sound cache of source=flickr (")


def test_a_cache_whose_schema_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "ids.sqlite"
    FlickrCache(path, create=True).close()
    path.write_bytes(path.read_bytes().replace(b"photosphotos", b"photosph\xff\x1b[s"))
    error = error_of(path, tmp_path)
    assert error.startswith("ids.sqlite: is not a sound cache of source=flickr (")
    assert error.isprintable()


@given(st.data())
def test_mutated_files_give_photos_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    content = bytearray(mcauley.document(mcauley.photo(1), mcauley.photo(2)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    message = ""
    try:
        assert photos_of(folder, bytes(content))
    except UserError as error:
        message = str(error)
    assert not message or (message.startswith(f"{folder / 'photos.xml'}") and message.endswith("."))
