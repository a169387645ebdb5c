"""sources/jsonl*: the content of a records file, the error for each mistake, and rows that belong to their lines."""

import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.jsonl import Options, read
from love_thy_neighbors.sources.jsonl_lines import parse_line, raw_lines
from love_thy_neighbors.sources.prepare import make
from love_thy_neighbors.sources.rejects import RowError

pytestmark = pytest.mark.usefixtures("mean_colour")
HOW = Extraction(size=32, batch_size=4, workers=1, device="cpu", thumbnail=16, max_pixels=10_000)
KEYS = "id, file, labels, tags, sets, groups, owner"


class Photos:
    """A folder of three photos, a records file and a feature table, and the command on them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.images = folder, folder / "photos"
        self.records, self.table, self.out = folder / "photos.jsonl", folder / "feats.npy", folder / "mine"
        self.images.mkdir()
        for number, colour in enumerate(("red", "lime", "blue")):
            Image.new("RGB", (40, 30), colour).save(self.images / f"{number}.png")
        self.lines: list[Any] = [
            {"id": str(number), "file": f"{number}.png", "labels": ["a"], "tags": ["x", "y"]} for number in range(3)
        ]
        np.save(self.table, np.arange(12, dtype=np.float32).reshape(3, 4))

    def write(self) -> None:
        texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in self.lines]
        self.records.write_bytes(b"\n".join(texts) + b"\n")

    def prepare(self, given_features: bool = False, overwrite: bool = False, **options: Any) -> None:
        self.write()
        source = {"features": self.table} if given_features else {"images": self.images}
        make(read, Options(records=self.records, **{**source, **options}), self.out, overwrite, HOW)

    def error(self, given_features: bool = False, **options: Any) -> str:
        with pytest.raises(UserError) as caught:
            self.prepare(given_features, **options)
        assert not self.out.exists()
        return str(caught.value).replace(f"{self.folder}/", "")

    def rejected(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.out / "rejected.jsonl").read_text().splitlines()]


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    return Photos(tmp_path)


def bomb(path: Path) -> None:
    """A PNG with a header of 50,000 x 50,000 pixels and no pixels."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0), b"IDAT")
    framed = (struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) for body in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(framed))


BAD_LINES: list[tuple[Any, str]] = [
    (b"", "is blank"),
    (b"  \t ", "is blank"),
    (b"{", "is not valid JSON (Expecting property name enclosed in double quotes, column 2)"),
    (b'{"id": "1"} x', "is not valid JSON (Extra data, column 13)"),
    (b'{"id": NaN}', "is not valid JSON (NaN is not a JSON number)"),
    (b'{"id": "1", "owner": -Infinity}', "is not valid JSON (-Infinity is not a JSON number)"),
    (b'{"id": "\xff"}', "is not UTF-8 (byte 9)"),
    ('{"id": "1"}'.encode("utf-16"), "is not UTF-8 (byte 1)"),
    (b'\xef\xbb\xbf{"id": "1"}', "is not valid JSON (Unexpected UTF-8 BOM (decode using utf-8-sig), column 1)"),
    (["1"], "holds a list, not an object"),
    (None, "holds null, not an object"),
    (7, "holds a number, not an object"),
    ({"file": "1.png"}, "has no 'id'"),
    ({"id": "1"}, "has no 'file'"),
    ({"id": 1, "file": "1.png"}, "has a number as 'id', which must be a string"),
    ({"id": "", "file": "1.png"}, "has an empty 'id'"),
    ({"id": " ", "file": "1.png"}, "has an empty 'id'"),
    ({"id": "1", "file": ["1.png"]}, "has a list as 'file', which must be a string"),
    ({"id": "1", "file": "1.png", "owner": None}, "has null as 'owner', which must be a string"),
    ({"id": "1", "file": "1.png", "split": "training"}, "has the split 'training'; the parts are train, val, test"),
    ({"id": "1", "file": "1.png", "split": ["train"]}, "has a list as 'split', which must be a string"),
    ({"id": "1", "file": "1.png", "taken": "May 2019"}, "has 'May 2019' as 'taken', which is not an ISO date"),
    ({"id": "1", "file": "1.png", "taken": 2019}, "has a number as 'taken', which must be a string"),
    ({"id": "1", "file": "1.png", "tags": "x"}, "has a string as 'tags', which must be a list of strings"),
    ({"id": "1", "file": "1.png", "tags": ["x", 2]}, "has a number in 'tags', which must be a list of strings"),
    ({"id": "1", "file": "1.png", "sets": [True]}, "has a boolean in 'sets', which must be a list of strings"),
    ({"id": "1", "file": "1.png", "groups": [{}]}, "has an object in 'groups', which must be a list of strings"),
    ({"id": "1", "file": "1.png", "labels": ["a", ""]}, "has an empty string in 'labels'"),
    ({"id": "1", "file": "1.png", "label": []}, "has the unknown key 'label'"),
    ({"id": "1", "file": "1.png", "Tags": ["x"]}, "has the unknown key 'Tags'"),
    ({"id": "1", "file": "1.png", "camera": "x"}, "has the unknown key 'camera' with a string"),
    ({"id": "1", "file": "1.png", "places": ["x", 2]}, "has a number in 'places'"),
    ({"id": "1", "file": "1.png", "my places": ["x"]}, "has the unknown key 'my places'"),
    ({"id": "1", "file": "1.png", "union": ["x"]}, "has the unknown key 'union'"),
    (b'{"id": "1", "id": "2", "file": "1.png"}', "has the key 'id' twice"),
    (b'{"id": "\\ud800", "file": "1.png"}', "has half a surrogate pair in 'id', which is not text"),
    ({"id": "0", "file": "1.png"}, "has the id '0', which line 1 has already"),
    ({"id": "1", "file": "x" * 3000}, "is longer than max_line_bytes=2000"),
    ({"id": "1", "file": "none.png"}, "has the file 'none.png', which does not exist below images="),
    ({"id": "1", "file": "folder"}, "has the file 'folder', which does not exist below images="),
    ({"id": "1", "file": "/etc/passwd"}, "has the file '/etc/passwd', which is not a plain path below images="),
    ({"id": "1", "file": "../out.png"}, "has the file '../out.png', which is not a plain path below images="),
    ({"id": "1", "file": "a/../../out.png"}, "has the file 'a/../../out.png', which is not a plain path below images="),
    ({"id": "1", "file": "a\\1.png"}, "has the file 'a\\\\1.png', which is not a plain path below images="),
    ({"id": "1", "file": "a\0.png"}, "has the file 'a\\x00.png', which is not a plain path below images="),
    ({"id": "1", "file": "link.png"}, "has the file 'link.png', a link that leads out of images="),
    (
        {"id": "1", "file": "bomb.png"},
        "has the file 'bomb.png', which has 50000 x 50000 pixels, more than max_pixels=10000",
    ),
    ({"id": "1", "file": "pipe"}, "has the file 'pipe', which does not exist below images="),
]


def with_bad_files(photos: Photos) -> None:
    Image.new("RGB", (5, 5)).save(photos.folder / "out.png")
    (photos.images / "folder").mkdir()
    (photos.images / "link.png").symlink_to(photos.folder / "out.png")
    bomb(photos.images / "bomb.png")
    os.mkfifo(photos.images / "pipe")


@pytest.mark.parametrize(("line", "reason"), BAD_LINES, ids=[reason[:40] for _, reason in BAD_LINES])
def test_a_bad_line_is_named_and_nothing_is_written(photos: Photos, line: Any, reason: str) -> None:
    with_bad_files(photos)
    photos.lines[1] = line
    assert photos.error(max_line_bytes=2000).startswith(f"photos.jsonl, line 2: {reason}")


def test_bad_lines_are_skipped_and_listed(photos: Photos) -> None:
    with_bad_files(photos)
    photos.lines[1:1] = [line for line, _ in BAD_LINES]
    (photos.images / "2.png").write_bytes((photos.images / "2.png").read_bytes()[:60])  # found on decoding
    photos.prepare(on_error="skip", max_line_bytes=2000)
    *listed, last = photos.rejected()
    for number, (entry, (_, reason)) in enumerate(zip(listed, BAD_LINES, strict=True), 2):
        assert entry["line"] == number
        assert entry["reason"].startswith(reason)
    assert last["line"] == len(photos.lines)
    assert last["reason"].startswith("has the file '2.png', which cannot be decoded")
    collection = load_collection(photos.out)
    assert collection.ids.to_pylist() == ["0", "1"]
    assert collection.features.table.tolist() == [[255, 0, 0], [0, 255, 0]]
    assert sorted(path.name for path in (photos.out / "thumbnails").iterdir()) == ["0.webp", "1.webp"]
    assert collection.card["clean_up"]["lines_rejected"] == len(BAD_LINES) + 1


def test_an_unreadable_image_is_named_with_its_line(photos: Photos) -> None:
    (photos.images / "1.png").write_bytes((photos.images / "1.png").read_bytes()[:60])
    assert photos.error().startswith("photos.jsonl, line 2: has the file '1.png', which cannot be decoded (")


def test_images_make_features_thumbnails_and_a_card(photos: Photos) -> None:
    photos.lines[0] |= {"owner": "ann", "split": "val", "taken": "2019-05"}
    photos.prepare()
    collection = load_collection(photos.out)
    assert (collection.parts, collection.taken) == (pa.array(["val", None, None]), pa.array(["2019-05", None, None]))
    assert collection.features.table.dtype == np.float16
    assert collection.features.table.tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert collection.owners.to_pylist() == ["ann", None, None]
    assert set(collection.metadata) == {"tags"}
    with Image.open(photos.out / "thumbnails" / "2.webp") as thumbnail:
        assert thumbnail.size == (16, 12)
    assert not (photos.out / "rejected.jsonl").exists()
    assert sorted(path.name for path in photos.folder.iterdir()) == ["feats.npy", "mine", "photos", "photos.jsonl"]


def test_skipped_rows_keep_their_thumbnails(photos: Photos) -> None:
    photos.lines[0] = b"oops"
    photos.prepare(on_error="skip")
    with Image.open(photos.out / "thumbnails" / "0.webp") as thumbnail:
        red, green, blue = thumbnail.convert("RGB").getpixel((5, 5))
    assert green > 200
    assert max(red, blue) < 60


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
def test_features_stay_with_their_lines(photos: Photos, dtype: str) -> None:
    np.save(photos.table, np.arange(12).reshape(3, 4).astype(dtype))
    photos.lines[1] = b"oops"
    for line in (photos.lines[0], photos.lines[2]):
        del line["file"]
    photos.prepare(given_features=True, on_error="skip")
    collection = load_collection(photos.out)
    assert collection.ids.to_pylist() == ["0", "2"]
    assert collection.features.table.tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]
    assert collection.features.table.dtype == np.float16
    assert not (photos.out / "thumbnails").exists()


def test_a_bad_feature_row_is_skipped(photos: Photos) -> None:
    table = np.load(photos.table)
    table[0, 2] = np.nan
    np.save(photos.table, table)
    photos.prepare(given_features=True, on_error="skip")
    assert photos.rejected()[0]["line"] == 1
    assert load_collection(photos.out).features.table.tolist() == table[1:].tolist()


BAD_TABLES: list[tuple[Callable[[np.ndarray], np.ndarray], str]] = [
    (lambda t: t[:2], "feats.npy: 2 rows, but photos.jsonl has 3 lines"),
    (lambda t: t[0], "feats.npy: float32 [4], not a table [N, d] of floats."),
    (lambda t: t[:, :0], "feats.npy: float32 [3, 0], not a table [N, d] of floats."),
    (lambda t: t.astype(np.int64), "feats.npy: int64 [3, 4], not a table [N, d] of floats."),
    (
        lambda t: np.where(t == 6, np.nan, t),
        "photos.jsonl, line 2: has the feature row 1 of feats.npy, which holds NaN or infinity",
    ),
    (
        lambda t: np.where(t == 9, np.inf, t),
        "photos.jsonl, line 3: has the feature row 2 of feats.npy, which holds NaN or infinity",
    ),
    (
        lambda t: np.where(t == 0, 1e39, t.astype(np.float64)),
        "photos.jsonl, line 1: has the feature row 0 of feats.npy, which holds a value beyond the range of float32",
    ),
]


@pytest.mark.parametrize(("change", "message"), BAD_TABLES, ids=[message[:60] for _, message in BAD_TABLES])
def test_bad_feature_tables(photos: Photos, change: Callable[[np.ndarray], np.ndarray], message: str) -> None:
    np.save(photos.table, change(np.load(photos.table)))
    assert photos.error(given_features=True).startswith(message)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"not numpy"])
def test_a_damaged_feature_file(photos: Photos, content: bytes) -> None:
    photos.table.write_bytes(content)
    assert photos.error(given_features=True).startswith("feats.npy: truncated or not a plain .npy array")


def test_a_truncated_feature_file(photos: Photos) -> None:
    photos.table.write_bytes(photos.table.read_bytes()[:-4])
    assert photos.error(given_features=True).startswith("feats.npy: truncated or not a plain .npy array")


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"features": "feats.npy"}, "images, features: "),
    ({"images": None}, "images, features: "),
    ({"images": "nowhere"}, "images: nowhere is not a folder"),
    ({"on_error": "ignore"}, "on_error: 'ignore'"),
    ({"min_positives": 0}, "min_positives: "),
    ({"min_positives": "2"}, "min_positives: "),
    ({"max_line_bytes": True}, "max_line_bytes: "),
    ({"records": None}, "records: give the file"),
    ({"records": "none.jsonl"}, "records: none.jsonl is not a file"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS, ids=str)
def test_bad_options(photos: Photos, options: dict[str, Any], message: str) -> None:
    photos.write()
    given_options = {"records": photos.records, "images": photos.images, **options}
    paths = {key: Path(given_options[key]) for key in ("records", "images", "features") if given_options.get(key)}
    with pytest.raises(UserError) as caught:
        Options(**given_options | paths)
    assert str(caught.value).startswith(message)


def test_no_usable_record(photos: Photos) -> None:
    photos.lines = []
    photos.records.write_bytes(b"")
    options = Options(records=photos.records, images=photos.images)
    with pytest.raises(UserError, match="photos.jsonl: holds no usable line"):
        make(read, options, photos.out, False, HOW)
    photos.lines = [b"oops", 3]
    assert photos.error(on_error="skip").startswith(
        "photos.jsonl: holds no usable line (2 bad lines, the first: line 1 "
    )


def test_an_existing_folder_is_replaced_only_on_request(photos: Photos) -> None:
    photos.prepare()
    with pytest.raises(UserError, match="mine exists; .*overwrite=true"):
        photos.prepare()
    photos.lines = photos.lines[:2]
    photos.prepare(overwrite=True)
    assert len(load_collection(photos.out)) == 2


def test_a_folder_that_is_no_collection_is_never_replaced(photos: Photos) -> None:
    photos.out.mkdir()
    (photos.out / "thesis.tex").write_text("do not lose me")
    with pytest.raises(UserError, match="is not a collection"):
        photos.prepare(overwrite=True)
    assert (photos.out / "thesis.tex").exists()


def test_rare_labels_are_dropped_counted_and_printed(photos: Photos, capsys: pytest.CaptureFixture[str]) -> None:
    photos.lines[0]["labels"] = ["a", "rare", "a"]
    photos.prepare(min_positives=2)
    collection = load_collection(photos.out)
    assert collection.label_names == ("a",)
    assert collection.card["labels"]["dropped"] == {"rare": 1}
    assert "labels with fewer than 2 images, dropped: 1" in capsys.readouterr().out


def test_byte_order_mark_and_windows_line_ends(photos: Photos) -> None:
    texts = [json.dumps(line).encode() for line in photos.lines]
    photos.records.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(texts))  # and no end to the last line
    make(read, Options(records=photos.records, images=photos.images), photos.out, False, HOW)
    assert len(load_collection(photos.out)) == 3


def test_a_column_is_written_only_if_some_record_has_the_key(photos: Photos) -> None:
    photos.lines = [{"id": "1"}, {"id": "2", "sets": []}, {"id": "3"}]
    photos.prepare(given_features=True)
    assert pq.read_table(photos.out / "images.parquet").column_names == ["id", "labels", "sets"]
    assert load_collection(photos.out).label_names == ()


def test_any_other_list_of_strings_is_a_metadata_type(photos: Photos) -> None:
    photos.lines[0]["cameras"] = ["b", "a", "b"]
    photos.lines[2]["a-place"] = []
    photos.prepare(given_features=True)
    collection = load_collection(photos.out)
    assert list(collection.metadata) == ["tags", "a-place", "cameras"]
    assert collection.metadata["cameras"].toarray().tolist() == [[1, 1], [0, 0], [0, 0]]
    assert collection.card["metadata"]["cameras"] == {"how": "as the records file gives them", "values": 2}
    assert collection.card["statistics"]["cameras"]["values"] == 2


def test_six_thousand_records_with_features(photos: Photos) -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(6000, 1280)).astype(np.float16)
    np.save(photos.table, table)
    photos.lines = [
        {
            "id": f"p{i}",
            "labels": [f"label{i % 20}"],
            "tags": [f"t{v}" for v in rng.integers(0, 500, 5)],
            "sets": [f"s{i // 10}"],
        }
        for i in range(6000)
    ]
    photos.prepare(given_features=True)
    collection = load_collection(photos.out)
    assert set(collection.metadata) == {"tags", "sets"}
    assert len(collection.label_names) == 20
    np.testing.assert_array_equal(collection.features.table, table)


TEXT = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)
LISTS = st.lists(TEXT, unique=True, max_size=4)
COLUMNS = {"file": TEXT, "owner": TEXT, "labels": LISTS, "tags": LISTS, "sets": LISTS, "groups": LISTS}
RECORDS = st.fixed_dictionaries({"id": TEXT}, optional=COLUMNS | {"cameras": LISTS})


@given(RECORDS, st.booleans())
def test_a_good_line_comes_back_as_it_is(record: dict[str, Any], ascii_only: bool) -> None:
    parsed = parse_line(json.dumps(record, ensure_ascii=ascii_only).encode(), file_required=False)
    for key in KEYS.split(", "):
        expected = record.get(key, () if key == "labels" else None)
        assert getattr(parsed, key) == (tuple(expected) if isinstance(expected, list) else expected)
    assert parsed.other == ({"cameras": tuple(record["cameras"])} if "cameras" in record else {})


@given(st.one_of(st.binary(max_size=60), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists)))
def test_any_other_line_is_refused_and_not_a_crash(value: Any) -> None:
    line = value if isinstance(value, bytes) else json.dumps(value).encode()
    with pytest.raises(RowError):
        parse_line(line, file_required=False)


def test_very_deep_nesting_and_very_long_numbers() -> None:
    for line in (b"[" * 200_000, b'{"id": ' + b"9" * 10_000 + b"}"):
        with pytest.raises(RowError, match="is not valid JSON"):
            parse_line(line, file_required=False)


@given(lines=st.lists(st.binary(max_size=30).map(lambda raw: raw.translate(None, b"\r\n\xef")), max_size=8))
@settings(max_examples=60)
def test_lines_are_numbered_and_long_ones_are_not_read(
    lines: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    expected = [(number, line if len(line) <= 10 else None) for number, line in enumerate(lines, 1)]
    assert list(raw_lines(path, 10)) == expected


def test_tags_are_one_in_their_most_frequent_spelling_as_in_folders(photos: Photos) -> None:
    nfd = "Ku\u0308ste"
    said = [["Sea", nfd, "Smith, John"], ["sea", "Küste", "a|b"], ["sea", "KÜSTE", "New  York"]]
    for line, tags in zip(photos.lines, said, strict=True):
        line |= {"tags": tags, "groups": [nfd, "Küste", "A", "a"], "cameras": [nfd], "labels": [nfd], "owner": nfd}
    photos.prepare()
    rows = pq.read_table(photos.out / "images.parquet").to_pylist()
    assert [row["tags"] for row in rows] == [
        ["sea", "Küste", "Smith, John"],
        ["sea", "Küste", "a|b"],
        ["sea", "Küste", "New York"],
    ]
    for row in rows:  # capitals count in groups, which may be codes
        assert row["groups"] == ["Küste", "A", "a"]
        assert row["cameras"] == row["labels"] == ["Küste"]
        assert row["owner"] == "Küste"


def test_tags_that_programs_write_are_left_out_and_listed(photos: Photos) -> None:
    ignored = photos.folder / "ignored.txt"
    ignored.write_text("!nikon\nx\n")
    photos.lines[1] |= {"tags": ["darktable|format|nef", "Nikon", "X", "y"]}
    photos.prepare(ignore_tags=ignored)
    rows = pq.read_table(photos.out / "images.parquet").to_pylist()
    assert [row["tags"] for row in rows] == [["y"], ["Nikon", "y"], ["y"]]
    assert [(line["not_taken"], line["count"], line["first"]) for line in photos.rejected()] == [
        ("x", 3, "0"),
        ("darktable|format|nef", 1, "1"),
    ]
