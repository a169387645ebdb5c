"""sources/nuswide*: the official release with its pitfalls, what each mistake says, and from it to a trained model."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import train_on
from fixtures import nuswide as made
from fixtures.messages import names_the_same
from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.nuswide import Options, read
from love_thy_neighbors.sources.nuswide.files import ImageList, find_copy
from love_thy_neighbors.sources.nuswide.tags import read_all_tags
from love_thy_neighbors.sources.prepare import make

pytestmark = pytest.mark.usefixtures("mean_colour")
HOW = Extraction(size=16, batch_size=60, workers=0, device="cpu", thumbnail=0)
AGAIN = "get this file of the release again."
DEPTH = "the folders in it, 6 deep, in upper and lower case, so unpack that part of the release there."


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> made.Written:
    return made.write(tmp_path_factory.mktemp("nuswide"))


class Release:
    """A copy of the miniature release, to be damaged, and the command on it."""

    def __init__(self, original: made.Written, folder: Path) -> None:
        self.written = replace(original, root=folder / "NUS-WIDE")
        self.root, self.out = self.written.root, folder / "mine"
        shutil.copytree(original.root, self.root)

    def prepare(self, **options: Any) -> None:
        make(read, Options(root=self.root, **options), self.out, False, HOW)

    def table(self, **options: Any) -> dict[str, list[Any]]:
        self.prepare(**options)
        return pq.read_table(self.out / "images.parquet").to_pydict()

    def collection(self, **options: Any) -> Collection:
        self.prepare(**options)
        return load_collection(self.out)

    def card(self) -> dict[str, Any]:
        return json.loads((self.out / "card.json").read_text())

    def error(self, **options: Any) -> str:
        with pytest.raises(UserError) as caught:
            self.prepare(**options)
        assert [path.name for path in self.out.parent.iterdir()] == ["NUS-WIDE"]
        return str(caught.value).replace(f"{self.root}/", "").replace(str(self.root), "ROOT")


@pytest.fixture
def release(original: made.Written, tmp_path: Path) -> Release:
    return Release(original, tmp_path)


def test_labels_tags_and_files_by_row(release: Release) -> None:
    table = release.table()
    assert sorted(table) == ["file", "id", "labels", "tags"]
    assert table["file"][0] == "actor/0001_2000000000.jpg"
    assert table["file"][119] == "zebra/0040_2000000833.jpg"
    assert table["labels"][0:4] == [["boats", "person"], ["lake"], ["sky"], ["person"]]
    assert table["labels"][made.UNLABELLED] == []
    assert table["tags"][0] == ["boats0", "boats1"]
    assert table["tags"][made.LATIN_1] == ["lake2", "lake0", "café"]
    assert table["tags"][made.UTF_8] == ["sky0", "sky1", "café"]
    assert table["tags"][made.TWICE] == ["person1", "person2"]
    assert table["tags"][made.UNTAGGED] == []
    # Two rows of one id, each with its own labels.
    assert table["id"][10] == table["id"][20] == "2000000070"
    assert (table["labels"][10], table["labels"][20]) == (["sky"], ["boats"])
    written = release.written
    assert (table["id"], table["file"]) == (written.ids, written.files)
    assert table["tags"] == written.tags
    assert list(map(sorted, table["labels"])) == list(map(sorted, written.labels))


def test_what_was_found_and_mended_is_counted(release: Release, original: made.Written) -> None:
    release.prepare(metadata=original.xml)
    assert release.card()["clean_up"] == {
        "rows": 120,
        "duplicate_ids": 2,
        "rows_with_a_duplicate_id": 4,
        "rows_with_conflicting_labels": 2,
        "tags_with_stray_bytes": 1,
        "tags_named_twice_by_an_image": 1,
        "metadata_photos_read": 108,
        "metadata_photos_of_no_row": 1,
        "metadata_photos_named_twice": 1,
        "metadata_sets_and_groups_without_id": 0,
        "rows_without_metadata": 12,
        "rows_without_labels": 1,
        "rows_with_metadata_and_labels": 107,
        "rows_discarded": 0,
        "lines_rejected": 0,
        "reasons": {},
    }


def test_metadata_is_joined_by_id_and_tags_stay(release: Release, original: made.Written) -> None:
    table = release.table(metadata=original.xml)
    assert table["tags"] == original.tags
    assert (table["owner"][1], table["sets"][1], table["groups"][1]) == ("0@N01", ["72150"], ["1@N20"])
    assert table["owner"][0] == "0@N01"  # not the second photo of that id
    assert (table["owner"][9], table["sets"][9], table["groups"][9]) == (None, [], [])
    for kind in ("owner", "sets", "groups"):
        assert table[kind][20] == table[kind][10]  # one photo, two rows
    assert table["groups"][20] == ["2@N20"]


def test_table_1_counts_the_papers_images_whatever_is_kept(
    release: Release, original: made.Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("love_thy_neighbors.sources.nuswide.metadata._PAPER_TAGS", 3)
    found = read(Options(root=release.root, metadata=original.xml), HOW, release.out)
    assert found.table.num_rows == 120
    assert found.comparable is not None
    assert found.comparable.num_rows == 107
    assert len({tag for row in found.comparable["tags"].to_pylist() for tag in row}) == 3
    assert found.published["groups"][0] == 95_358


def test_the_published_counts_are_printed_beside_ours(release: Release, capsys: pytest.CaptureFixture[str]) -> None:
    release.prepare()
    printed = capsys.readouterr().out
    assert "165,039" in printed
    assert "rows with conflicting labels: 2" in printed
    assert "rows without labels: 1" in printed


DISCARDS: list[tuple[dict[str, Any], set[int]]] = [
    ({}, set()),
    ({"discard_without_labels": True}, {12}),
    ({"discard_without_metadata": True}, {8}),  # no tags
    ({"discard_without_metadata": True, "metadata": True}, set(range(9, 120, 10))),
    ({"discard_without_metadata": True, "discard_without_labels": True, "metadata": True}, {12, *range(9, 120, 10)}),
]


@pytest.mark.parametrize(("options", "gone"), DISCARDS)
def test_the_papers_discards(release: Release, original: made.Written, options: dict[str, Any], gone: set[int]) -> None:
    given_options = options | ({"metadata": original.xml} if "metadata" in options else {})
    files = release.table(**given_options)["file"]
    assert files == [file for row, file in enumerate(original.files) if row not in gone]
    assert release.card()["clean_up"]["rows_discarded"] == len(gone)
    assert release.card()["clean_up"]["rows_without_labels"] == 1


def test_tags_1k_leave_out_other_tags_and_need_no_file_of_all_tags(release: Release) -> None:
    (release.root / "NUS_WID_Tags" / "All_Tags.txt").unlink()
    table = release.table(tags="tags1k")
    expected = [[tag for tag in made.TAGS_1K if tag in tags] for tags in release.written.tags]
    assert table["tags"] == expected
    assert table["tags"][made.LATIN_1] == ["lake0", "lake2"]


def test_folders_of_other_names_and_places(release: Release) -> None:
    """Copies differ in case and nesting, and some people put everything into one folder."""
    root = release.root
    (root / "Groundtruth").rename(root / "GroundTruth")
    (root / "ImageList" / "Imagelist.txt").rename(root / "ImageList.TXT")
    (root / "NUS_WID_Tags").rename(root / "tags")
    (root / "NUS_WID_Tags").mkdir()
    (root / "tags").rename(root / "NUS_WID_Tags" / "NUS_WID_Tags")
    (root / "ConceptsList" / "Concepts81.txt").rename(root / "concepts81.txt")
    (root / "ConceptsList" / "round").symlink_to(root)
    assert release.table()["tags"] == release.written.tags


def test_a_file_in_its_own_folder_comes_before_one_elsewhere(release: Release) -> None:
    for name in ("All_Tags.txt", "Labels_lake.txt", "Concepts81.txt"):
        (release.root / name).write_text("not the file\n")
    assert release.table()["tags"] == release.written.tags


def change(name: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    """Replace ``old``, which must be there once, in a file."""

    def damage(root: Path) -> None:
        content = (root / name).read_bytes()
        assert content.count(old) == 1, content.count(old)
        (root / name).write_bytes(content.replace(old, new))

    return damage


def edit(name: str, line: int, new: bytes | None) -> Callable[[Path], None]:
    """Put ``new`` into a line of a file, or remove the line."""

    def damage(root: Path) -> None:
        lines = (root / name).read_bytes().splitlines(keepends=True)
        lines[line - 1 : line] = [] if new is None else [new]
        (root / name).write_bytes(b"".join(lines))

    return damage


def remove(*names: str) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        for name in names:
            shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()

    return damage


def twice(root: Path) -> None:
    for folder in ("one", "two"):
        shutil.copytree(root / "NUS_WID_Tags", root / folder / "NUS_WID_Tags")
    shutil.rmtree(root / "NUS_WID_Tags")


LIST, LAKE, ALL = "ImageList/Imagelist.txt", "Groundtruth/AllLabels/Labels_lake.txt", "NUS_WID_Tags/All_Tags.txt"
CH, WIDE = "Low_Level_Features/Normalized_CH.dat", {"low_level": ["CH"]}
LIKE = "is not like 'actor\\0001_2124494179.jpg' (folder, number, Flickr id); get the list again."
MISTAKES: list[tuple[Callable[[Path], None], dict[str, Any], str]] = [
    (remove(LIST), {}, f"root: ROOT has no ImageList/Imagelist.txt; it was looked for in ROOT and {DEPTH}"),
    (
        remove("ConceptsList"),
        {},
        f"root: ROOT has no ConceptsList/Concepts81.txt; it was looked for in ROOT and {DEPTH}",
    ),
    (remove(ALL), {}, f"root: ROOT has no NUS_WID_Tags/All_Tags.txt; it was looked for in ROOT and {DEPTH}"),
    (remove(LAKE), {}, "root: ROOT lacks 1 of the 4 files in AllLabels, the first Labels_lake.txt; unpack them."),
    (
        remove(LAKE, "Groundtruth/AllLabels/Labels_sky.txt"),
        {},
        "root: ROOT lacks 2 of the 4 files in AllLabels, the first Labels_lake.txt; unpack Groundtruth/AllLabels of the "
        "release there.",
    ),
    (
        remove("Groundtruth/AllLabels"),
        {},
        "root: ROOT lacks all AllLabels (TrainTestLabels has another order); unpack Groundtruth/AllLabels of the release.",
    ),
    (
        remove("Groundtruth"),
        {},
        "root: ROOT lacks 4 of the 4 files in AllLabels, the first Labels_boats.txt; unpack Groundtruth/AllLabels of the "
        "release there.",
    ),
    (
        twice,
        {},
        "root: All_Tags.txt is there twice, one/NUS_WID_Tags/All_Tags.txt and two/NUS_WID_Tags/All_Tags.txt; leave one of "
        "them.",
    ),
    (edit(LIST, 3, b"zebra.jpg\r\n"), {}, f"{LIST}, line 3: 'zebra.jpg' {LIKE}"),
    (edit(LIST, 3, b"..\\0003_12.jpg\r\n"), {}, f"{LIST}, line 3: '..\\\\0003_12.jpg' {LIKE}"),
    (edit(LIST, 3, b"a\\..\\0003_12.jpg\r\n"), {}, f"{LIST}, line 3: 'a\\\\..\\\\0003_12.jpg' {LIKE}"),
    (edit(LIST, 3, b"\\0003_12.jpg\r\n"), {}, f"{LIST}, line 3: '\\\\0003_12.jpg' {LIKE}"),
    (edit(LIST, 3, b"actor\\0003_twelve.jpg\r\n"), {}, f"{LIST}, line 3: 'actor\\\\0003_twelve.jpg' {LIKE}"),
    (edit(LIST, 3, b"\r\n"), {}, f"{LIST}, line 3: is blank; get the list again."),
    (edit(LIST, 3, b"caf\xe9\\0003_12.jpg\r\n"), {}, f"{LIST}, line 3: is not UTF-8 (byte 4); get the list again."),
    (edit(LIST, 3, b"a" * 10_001 + b"\n"), {}, f"{LIST}, line 3: is longer than 10000 bytes; get the list again."),
    (lambda root: (root / LIST).write_bytes(b"\n"), {}, f"{LIST}: lists no image; get the list again."),
    (
        edit("ConceptsList/Concepts81.txt", 1, b"Sky\n"),
        {},
        "ConceptsList/Concepts81.txt: must list concepts, each once; get the list again.",
    ),
    (
        lambda root: (root / "ConceptsList/Concepts81.txt").write_bytes(b""),
        {},
        "ConceptsList/Concepts81.txt: must list concepts, each once; get the list again.",
    ),
    (edit(LAKE, 7, b"-1130179\n"), {}, f"{LAKE}, line 7: holds '-1130179', not 0 or 1; {AGAIN}"),
    (edit(LAKE, 7, None), {}, f"{LAKE}: 119 lines, but Imagelist.txt has 120; {AGAIN}"),
    (edit(LAKE, 7, b"0\n0\n"), {}, f"{LAKE}: 121 lines, but Imagelist.txt has 120; {AGAIN}"),
    (lambda root: (root / LAKE).write_bytes(b""), {}, f"{LAKE}: 0 lines, but Imagelist.txt has 120; {AGAIN}"),
    (edit(ALL, 4, b"\n"), {}, f"{ALL}, line 4: is blank; {AGAIN}"),
    (edit(ALL, 120, None), {}, f"{ALL}: 119 lines, but Imagelist.txt has 120; {AGAIN}"),
    (edit(ALL, 120, b"2000000833 a\n1 b\n"), {}, f"{ALL}: 121 lines, but Imagelist.txt has 120; {AGAIN}"),
    (
        edit(ALL, 4, None),
        {},
        f"{ALL}, line 4: has the id 2000000028, but line 4 of Imagelist.txt has 2000000021; get both files of the "
        "release again.",
    ),
    (edit(ALL, 4, b"2000000021" + b" a" * 500_000), {}, f"{ALL}, line 4: is longer than 1000000 bytes; {AGAIN}"),
    (
        remove("NUS_WID_Tags/AllTags1k.txt"),
        {"tags": "tags1k"},
        f"root: ROOT has no NUS_WID_Tags/AllTags1k.txt; it was looked for in ROOT and {DEPTH}",
    ),
    (
        edit("NUS_WID_Tags/TagList1k.txt", 12, None),
        {"tags": "tags1k"},
        f"NUS_WID_Tags/AllTags1k.txt, line 1: has 12 columns, not 11; {AGAIN}",
    ),
    (
        edit("NUS_WID_Tags/AllTags1k.txt", 2, b"0\t" * 11 + b"7\n"),
        {"tags": "tags1k"},
        f"NUS_WID_Tags/AllTags1k.txt, line 2: holds '7', not 0 or 1; {AGAIN}",
    ),
    (
        remove(CH),
        WIDE,
        f"root: ROOT has no Low_Level_Features/Normalized_CH.dat; it was looked for in ROOT and {DEPTH}",
    ),
    (edit(CH, 5, b"1 2 3\n"), WIDE, f"{CH}, line 5: has 3 columns, not 64; {AGAIN}"),
    (edit(CH, 5, b"0 " * 63 + b"x\n"), WIDE, f"{CH}, line 5: holds 'x', not a number; {AGAIN}"),
    (
        edit(CH, 5, b"0 " * 63 + b"nan\n"),
        WIDE,
        f"{CH}, line 5: holds NaN, infinity or a value beyond float32 (3.4e+38); {AGAIN}",
    ),
    (edit(CH, 5, None), WIDE, f"{CH}: 119 lines, but Imagelist.txt has 120; {AGAIN}"),
    (
        edit("Low_Level_Features/Test_Normalized_EDH.dat", 5, None),
        {"low_level": ["EDH"]},
        f"Low_Level_Features/Test_Normalized_EDH.dat: 47 lines, but TestImagelist.txt has 48; {AGAIN}",
    ),
    (
        remove("Low_Level_Features/Test_Normalized_EDH.dat"),
        {"low_level": ["EDH"]},
        f"root: ROOT has no Low_Level_Features/Test_Normalized_EDH.dat; it was looked for in ROOT and {DEPTH}",
    ),
    (
        remove("ImageList/TestImagelist.txt"),
        {"low_level": ["EDH"]},
        f"root: ROOT has no ImageList/TestImagelist.txt; it was looked for in ROOT and {DEPTH}",
    ),
    (
        edit("ImageList/TestImagelist.txt", 2, b"zebra\\0099_5.jpg\n"),
        {"low_level": ["EDH"]},
        "ImageList/TestImagelist.txt, line 2: zebra/0099_5.jpg is not in Imagelist.txt; get both lists again.",
    ),
    (
        edit("ImageList/TestImagelist.txt", 2, None),
        {"low_level": ["EDH"]},
        f"{LIST}, line 5: actor/0005_2000000028.jpg is in neither of TrainImagelist.txt and TestImagelist.txt; get the "
        "lists of the release again.",
    ),
    (
        edit("ImageList/TestImagelist.txt", 2, b"actor\\0001_2000000000.jpg\n"),
        {"low_level": ["EDH"]},
        f"{LIST}, line 1: actor/0001_2000000000.jpg is in more than one line of TrainImagelist.txt and "
        "TestImagelist.txt; get the lists of the release again.",
    ),
    (
        change(LIST, b"actor\\0002_2000000007.jpg", b"actor\\0001_2000000000.jpg"),
        {"low_level": ["EDH"], "tags": "tags1k"},
        "ImageList/TrainImagelist.txt, line 71: actor/0002_2000000007.jpg is not in Imagelist.txt; get both lists again.",
    ),
]


@pytest.mark.parametrize(("damage", "options", "message"), MISTAKES, ids=[message[:70] for *_, message in MISTAKES])
def test_mistakes(release: Release, damage: Callable[[Path], None], options: dict[str, Any], message: str) -> None:
    damage(release.root)
    assert names_the_same(release.error(**options), message)


def test_metadata_of_other_photos(release: Release, original: made.Written) -> None:
    other = release.root / "photos.xml"
    other.write_bytes(re.sub(rb"photo id='", b"photo id='8", original.xml.read_bytes()))
    assert names_the_same(
        release.error(metadata=other),
        ("metadata: none of the 108 photos of photos.xml has an id of Imagelist.txt; give the file for NUS-WIDE."),
    )


def test_nothing_left(release: Release) -> None:
    for path in (release.root / "Groundtruth" / "AllLabels").iterdir():
        path.write_text("0\n" * 120)
    assert names_the_same(
        release.error(discard_without_labels=True),
        ("ImageList/Imagelist.txt: no image is left after the discards; leave one of discard_without_* out."),
    )


KINDS = "CH, CORR, EDH, WT, CM55, BoW"
BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"root": None}, "root: give the folder that NUS-WIDE was unpacked into (root=DIR)."),
    (
        {"metadata": Path("none.xml")},
        "metadata: none.xml does not exist; give an XML file, a folder of photos*.xml, or the cache of source=flickr.",
    ),
    ({"tags": "tags81"}, "tags: 'tags81' is not known; use all_tags or tags1k."),
    ({"low_level": "CH"}, f"low_level: must be a list of some of {KINDS}, such as [CH,WT], not CH."),
    ({"low_level": []}, f"low_level: must be a list of some of {KINDS}, such as [CH,WT], not []."),
    ({"low_level": ["ch"]}, f"low_level: must be a list of some of {KINDS}, not ['ch']."),
    ({"low_level": ["CH", "WT", "CH"]}, f"low_level: must be a list of some of {KINDS}, each once."),
    (
        {"low_level": ["CH"], "features": Path("a.npy")},
        "low_level: is another kind of features; give it, or images, or features.",
    ),
    ({"discard_without_labels": "yes"}, "discard_without_labels: must be true or false, not yes."),
    ({"discard_without_metadata": 1}, "discard_without_metadata: must be true or false, not 1."),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS, ids=[message for _, message in BAD_OPTIONS])
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        Options(**{"root": Path(), **options})
    assert names_the_same(str(caught.value), message)


def test_a_root_that_is_no_folder(release: Release, tmp_path: Path) -> None:
    shutil.rmtree(release.root)
    with pytest.raises(UserError, match="root: .*NUS-WIDE is not a folder"):
        release.prepare()


def test_from_pictures_to_results(release: Release, original: made.Written, tmp_path: Path) -> None:
    collection = release.collection(images=original.pictures, metadata=original.xml)
    assert set(collection.metadata) == {"tags", "sets", "groups"}
    assert collection.features.table[:4].tolist() == [[254, 0, 0], [0, 255, 1], [0, 0, 254], [255, 255, 255]]
    results = train_on(release.out, tmp_path, "metadata=groups", "lr=0.01", "epochs=5")
    assert results["test"]["mAP_L"] > 60  # an untrained model has about 33


def flat(file: str) -> str:
    return Path(file).name


def by_id(file: str) -> str:
    return f"{Path(file).stem.partition('_')[2]}.jpg"


def in_upper_case(file: str) -> str:
    return file.upper()


def in_a_folder_more(file: str) -> str:
    return f"unpacked/Flickr/{file}"


@pytest.mark.parametrize("place", [flat, by_id, in_upper_case, in_a_folder_more])
def test_pictures_in_other_places_are_found_by_their_ids(
    place: Callable[[str], str], release: Release, original: made.Written
) -> None:
    pictures = release.root / "pictures"
    for file in original.files:
        (pictures / place(file)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(original.pictures / file, pictures / place(file))
    collection = release.collection(images=pictures)
    assert collection.features.table[:4].tolist() == [[254, 0, 0], [0, 255, 1], [0, 0, 254], [255, 255, 255]]
    assert len(collection) == len(original.files)
    assert all((pictures / file).is_file() for file in collection.files.to_pylist())
    assert collection.card["clean_up"]["pictures_found_by_id"] == len(original.files)


def test_a_folder_without_any_of_the_pictures(release: Release) -> None:
    (release.root / "others").mkdir()
    (release.root / "others" / "a.jpg").touch()
    for on_error in ("stop", "skip"):
        message = release.error(images=release.root / "others", on_error=on_error)
        assert message.startswith("images: ")
        assert "2000000000" in message


def test_pictures_that_are_missing_are_listed_with_their_urls(release: Release, original: made.Written) -> None:
    pictures = release.root / "Flickr"
    shutil.copytree(original.pictures, pictures)
    for row in (2, 3, 4, 11, 31):  # the last two have the same id
        (pictures / original.files[row]).unlink()
    assert names_the_same(
        release.error(images=pictures),
        (
            "ImageList/Imagelist.txt, line 3: has the file 'actor/0003_2000000014.jpg', which does not exist below images=; "
            "correct it, or leave bad lines out with on_error=skip."
        ),
    )
    collection = release.collection(images=pictures, on_error="skip")
    kept = [file for row, file in enumerate(original.files) if row not in (2, 3, 4, 11, 31)]
    assert collection.files.to_pylist() == kept
    assert collection.features.table[2].tolist() == [0, 255, 1]  # row 5
    with (release.out / "missing_pictures.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    web = "http://farm3.static.flickr.com/"
    assert [(row["file"], row["id"], row["url"]) for row in listed] == [
        (original.files[2], "2000000014", f"{web}2000000014.jpg"),
        (original.files[3], "2000000021", f"{web}2000000021_b.jpg"),  # no picture of middle size
        (original.files[4], "2000000028", ""),  # null
        (original.files[11], "2000000077", f"{web}2000000077.jpg"),
        (original.files[31], "2000000077", ""),  # malformed
    ]
    counts = collection.card["clean_up"]
    assert counts["missing_pictures_without_a_url"] == 2
    assert counts["lines_rejected"] == 5


def test_without_a_list_of_urls_nothing_is_listed(release: Release, original: made.Written) -> None:
    (release.root / "NUS-WIDE-urls.txt").unlink()
    shutil.copytree(original.pictures, release.root / "Flickr")
    (release.root / "Flickr" / original.files[0]).unlink()
    release.prepare(images=release.root / "Flickr", on_error="skip")
    assert not (release.out / "missing_pictures.csv").exists()


def test_given_features_go_by_line(release: Release, original: made.Written) -> None:
    given_table = release.root / "mine.npy"
    np.save(given_table, np.arange(240, dtype=np.float32).reshape(120, 2))
    options = {"metadata": original.xml, "discard_without_metadata": True}
    collection = release.collection(features=given_table, **options)
    assert collection.features.table[8:10].tolist() == [[16, 17], [20, 21]]  # row 9 is discarded
    np.save(given_table, np.zeros((108, 2)))
    shutil.rmtree(release.out)
    assert names_the_same(
        release.error(features=given_table),
        ("mine.npy: 108 rows, but Imagelist.txt has 120 lines; row k belongs to line k + 1."),
    )


def test_from_low_level_features_to_results(release: Release, original: made.Written, tmp_path: Path) -> None:
    kinds = ["CH", "CORR", "EDH", "WT", "CM55"]  # in two parts, and whole
    collection = release.collection(low_level=kinds, discard_without_labels=True)
    topics = [row % 4 for row in range(120)]
    topics[made.SAME[1]] = topics[made.SAME[0]]
    expected = np.concatenate([made.low_level(kind, topics) for kind in kinds], axis=1)
    expected = np.delete(expected, made.UNLABELLED, axis=0)
    assert collection.features.table.shape == (119, 634)
    np.testing.assert_array_equal(collection.features.table, expected.astype(np.float16))
    about = collection.card["features"]["low_level"]
    assert about["columns"]["EDH"] == [208, 281]
    assert about["source"][:3] == ["Normalized_CH.dat", "Train_Normalized_CORR.dat", "Test_Normalized_CORR.dat"]
    results = train_on(release.out, tmp_path, "metadata=tags", "lr=0.01", "epochs=5")
    assert results["test"]["mAP_L"] > 60


def test_bags_of_words_become_shares(release: Release) -> None:
    table = release.collection(low_level=["BoW"]).features.table
    assert table.shape == (120, 500)
    np.testing.assert_allclose(table[100, :3], [70_000 / 70_100, 100 / 70_100, 0], rtol=1e-3)
    assert not table[3].any()


def plain_tags(line: bytes) -> list[str]:
    """The tags of a line, read the slow way."""
    words = re.findall(rb"[^ \t\r\n\x0b\x0c]+", line)[1:]
    texts = []
    for word in words:
        try:
            text = word.decode("utf-8")
        except UnicodeDecodeError:
            text = "".join(map(chr, word))
        if text not in texts:
            texts.append(text)
    return texts


WORDS = st.one_of(
    st.sampled_from([b"sky", "é".encode(), b"\xe9", b"\xc3\xa9x", b"0"]),
    st.binary(min_size=1, max_size=4).map(lambda word: word.translate(None, b" \t\r\n\x0b\x0c")).filter(bool),
)
LINES = st.lists(st.lists(st.tuples(st.sampled_from([b" ", b"\t", b"   ", b" \x0c"]), WORDS), max_size=6), max_size=8)


@given(lines=LINES, end=st.sampled_from([b"\n", b"\r\n", b" \n"]), last=st.booleans())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tags_are_those_of_a_plain_reading(
    lines: list[list[tuple[bytes, bytes]]], end: bytes, last: bool, tmp_path: Path
) -> None:
    ids = [str(number) for number in range(7, 7 + len(lines))]
    texts = [id_.encode() + b"".join(gap + word for gap, word in words) for id_, words in zip(ids, lines, strict=True)]
    (tmp_path / "All_Tags.txt").write_bytes(end.join(texts) + (end if last else b""))
    images = ImageList(tmp_path / "Imagelist.txt", ids, ids)
    tags, _ = read_all_tags(find_copy(tmp_path, None), images)
    assert tags.to_pylist() == [plain_tags(text) for text in texts]
