"""sources/openclipart*: a small tree of drawings, built here, and the collection that is shipped."""

import hashlib
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fixtures.messages import names_the_same
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources import openclipart
from love_thy_neighbors.sources.openclipart.drawings import (
    make_records,
    merged,
    normalised,
    person,
    read_drawings,
    series,
)
from love_thy_neighbors.sources.openclipart.labels import LABELS, labels_of, names_a_label, stem
from love_thy_neighbors.sources.prepare import make

SHIPPED = Path(__file__).resolve().parents[3] / "data" / "openclipart"
HOW = Extraction(size=32, batch_size=4, workers=1, device="cpu", thumbnail=16)
SVG = """<?xml version="1.0"?>{dtd}
<svg xmlns="http://www.w3.org/2000/svg" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:cc="http://web.resource.org/cc/" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><rdf:RDF><cc:Work>
<dc:title>{title}</dc:title><dc:subject><rdf:Bag>{bag}</rdf:Bag></dc:subject>
<dc:creator><cc:Agent><dc:title>{creator}</dc:title></cc:Agent></dc:creator></cc:Work></rdf:RDF></metadata></svg>"""
BOMB = '<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'


def prepare(root: Path | None, out: Path, overwrite: bool, min_positives: int = 25) -> None:
    make(openclipart.read, openclipart.Options(root=root, min_positives=min_positives), out, overwrite, HOW)


class Tree:
    """An Open Clip Art of a few files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self,
        path: str,
        keywords: list[str],
        title: str = "",
        creator: str = "",
        dtd: str = "",
        colour: int | None = None,
    ) -> None:
        bag = "".join(f"<rdf:li>{keyword}</rdf:li>" for keyword in keywords)
        svg, png = self.files(path)
        svg.write_text(SVG.format(title=title, bag=bag, creator=creator, dtd=dtd))
        red = int.from_bytes(hashlib.sha256(path.encode()).digest()[:3], "big") if colour is None else colour
        Image.new("RGB", (20, 30), (red & 255, red >> 8 & 255, red >> 16)).save(png)

    def files(self, path: str) -> tuple[Path, Path]:
        svg, png = (self.root / kind / f"{path}.{kind}" for kind in ("svg", "png"))
        svg.parent.mkdir(parents=True, exist_ok=True)
        png.parent.mkdir(parents=True, exist_ok=True)
        return svg, png


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path / "openclipart")
    tree.add("animals/birds/owl_01", ["animal", "hash", "Night_Owl"], "Grey Owl 1", "Ann")
    tree.add(
        "animals/birds/owl_02",
        ["birds", "hash(0x8a07724)", "0xa1253c0", "http://example.org", "wise"],
        "Grey Owl 2",
        "Ann",
    )
    tree.add("food/pear", ["fruit,green", "bob drew this"], "Bob's juicy pear", "Bob [bob@example.org]")
    return tree


def test_labels_tags_sets_groups_and_owner(tree: Tree) -> None:
    drawings, _ = read_drawings(tree.root)
    one, two, pear = make_records(merged(drawings))
    assert one.labels == ("animal", "bird")
    assert two.labels == ("animal", "bird")  # "birds" is a keyword, "animals" the folder above
    assert pear.labels == ("food", "fruit")
    assert one.tags == ("grey", "night owl", "owl")
    assert two.tags == ("grey", "owl", "wise")
    assert pear.tags == ("green", "juicy", "pear")
    assert one.sets == two.sets == ("Ann: grey owl",)
    assert one.groups == two.groups == ("Ann",)
    assert pear.sets == pear.groups == ()
    assert (one.owner, pear.owner) == ("Ann", "Bob")
    assert one.file == "png/animals/birds/owl_01.png"


def test_what_is_left_out_is_counted(tree: Tree, tmp_path: Path) -> None:
    for folder in openclipart_folders():
        tree.add(f"{folder}/x", ["star"])
    tree.add("food/nothing", [])
    tree.add("food/only_hash", ["hash"])
    tree.add("food/bomb", ["&c;"], dtd=BOMB)
    tree.add("food/external", ["&e;"], dtd='<!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/passwd">]>')
    tree.add("food/broken", ["food"])
    tree.files("food/broken")[0].write_text("<svg")
    tree.add("food/no_png", ["food"])
    tree.files("food/no_png")[1].unlink()
    tree.add("food/bad_png", ["food"])
    tree.files("food/bad_png")[1].write_bytes(b"PNG?")
    tree.add("food/huge", ["food"])
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", 8000, 8000, 8, 2, 0, 0, 0)
    chunks = b"".join(struct.pack(">I", len(b) - 4) + b + struct.pack(">I", zlib.crc32(b)) for b in (ihdr, b"IDAT"))
    tree.files("food/huge")[1].write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    outside = tmp_path / "secret.png"
    Image.new("RGB", (4, 4)).save(outside)
    tree.add("food/link_out", ["food"])
    tree.files("food/link_out")[1].unlink()
    tree.files("food/link_out")[1].symlink_to(outside)
    drawings, counts = read_drawings(tree.root)
    assert [drawing.path for drawing in drawings] == ["animals/birds/owl_01", "animals/birds/owl_02", "food/pear"]
    assert counts == {
        "svg_files": 16,
        "left_out: PNG not readable": 1,
        "left_out: PNG over 40 megapixels": 1,
        "left_out: SVG not well-formed": 1,
        "left_out: XML entities": 2,
        "left_out: folder of stars, gradients, patterns or duplicates": 4,
        "left_out: link that leads out of the root": 1,
        "left_out: no PNG file": 1,
        "left_out: no keywords": 2,
    }


def openclipart_folders() -> tuple[str, ...]:
    return ("shapes/stars", "special/gradients", "special/patterns", "unsorted/duplicates")


def test_a_document_type_without_entities_is_read(tree: Tree) -> None:
    dtd = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.0//EN" "http://www.w3.org/TR/2001/REC-SVG-20010904/DTD/svg10.dtd">'
    tree.add("food/apple", ["fruit"], dtd=dtd)
    assert len(read_drawings(tree.root)[0]) == 4


def test_one_picture_in_two_folders_is_one_image(tree: Tree) -> None:
    tree.add("office/pen", ["ink"], "Pen", "Cy", colour=77)
    tree.add("tools/pen", ["blue"], "Pen", "Cy", colour=77)
    link, target = tree.files("education/pen")[1], tree.files("tools/pen")[1]
    link.symlink_to(target)
    tree.files("education/pen")[0].symlink_to(tree.files("tools/pen")[0])
    records = {record.id: record for record in make_records(merged(read_drawings(tree.root)[0]))}
    assert len(records) == 4
    pen = records["education/pen"]
    assert pen.labels == ("education", "office", "tool")
    assert pen.tags == ("blue", "ink", "pen")


def test_a_collections_title_gives_way_to_the_file_name(tree: Tree) -> None:
    for number in range(10):
        tree.add(f"computer/icons/cloud_{number}", ["icon"], "Grand Collection", "Di")
    records = make_records(merged(read_drawings(tree.root)[0]))
    assert {record.tags for record in records if record.owner == "Di"} == {("cloud",)}


def test_building_twice_gives_the_same_bytes(tree: Tree, tmp_path: Path, mean_colour: None) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for out in (first, second):
        prepare(tree.root, out, False, min_positives=1)
        assert not out.with_name(f"{out.name}.partial").exists()
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert [str(file) for file in files] == [
        "README.md",
        "card.json",
        "features/mean_colour.npy",
        "images.parquet",
        "thumbnails/0.webp",
        "thumbnails/1.webp",
        "thumbnails/2.webp",
    ]
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes(), file


def test_the_collection_loads_and_its_features_are_right(tree: Tree, tmp_path: Path, mean_colour: None) -> None:
    prepare(tree.root, tmp_path / "out", False, min_positives=2)
    collection = load_collection(tmp_path / "out")
    assert collection.label_names == ("animal", "bird")
    assert collection.card["clean_up"]["labels_under_floor"] == {"food": 1, "fruit": 1}
    assert collection.labels.toarray().tolist() == [[1, 1], [1, 1], [0, 0]]
    found = collection.features.table * collection.features.scale
    with Image.open(tree.files("food/pear")[1]) as image:
        colour = np.array(image.getpixel((0, 0)), dtype=float)
    inside = 32 * round(20 * 32 / 30) / 32**2  # the rest of the square is white
    expected = colour * inside + 255 * (1 - inside)
    np.testing.assert_allclose(found[2], expected, atol=collection.features.scale)


def test_out_is_not_overwritten_unless_asked(tree: Tree, tmp_path: Path, mean_colour: None) -> None:
    out = tmp_path / "out"
    prepare(tree.root, out, False, min_positives=1)
    with pytest.raises(UserError) as caught:
        prepare(tree.root, out, False, min_positives=1)
    assert names_the_same(str(caught.value), f"out: {out} exists; give a new folder, or overwrite=true to replace it.")
    prepare(tree.root, out, True, min_positives=1)


@pytest.mark.parametrize("root", [None, "empty", "no drawings"])
def test_a_wrong_root(tmp_path: Path, root: str | None) -> None:
    if root == "no drawings":
        (tmp_path / root / "svg").mkdir(parents=True)
        (tmp_path / root / "png").mkdir()
    with pytest.raises(UserError, match=r"^root: "):
        prepare(root and tmp_path / root, tmp_path / "out", False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        ("Jakob [jakob@example.org]", "Jakob"),
        ("Ann Lee <ann@example.org>", "Ann Lee"),
        ("Ann - ann@example.org", "Ann"),
        ("mailto:ralf@example.org", "ralf"),
        ("snuATexampleDOTorg", "snu"),
        ("Gerald  G.", "Gerald G."),
        ("", ""),
        ("HASH(0x89c79d4)", ""),
        ("Anonymous", ""),
        ("c...", ""),
        ("Mitchell <example.net/~mitchell>", "Mitchell"),
    ],
)
def test_no_address_is_left_in_a_name(given_name: str, expected: str) -> None:
    assert person(given_name) == expected


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)
    assert series(series(text)) == series(text)


@given(st.sampled_from(sorted(LABELS)), st.sampled_from(["{}", "big {}", "{} house", "{}_x"]))
def test_what_gives_a_label_is_names_a_label_of_the_tags(name: str, form: str) -> None:
    for word in LABELS[name].words:
        keyword = form.format(word)
        assert name in labels_of({keyword}, set())
        assert names_a_label(keyword)


@pytest.mark.parametrize(
    "pair",
    ["boat boats", "boat boating", "party parties", "flag flagged", "box boxes", "house housing", "sail sailing"],
)
def test_inflections_share_a_stem(pair: str) -> None:
    one, two = pair.split()
    assert stem(one) == stem(two)


def test_a_folder_is_matched_whole() -> None:
    assert labels_of(set(), {"food/fruit"}) == {"food", "fruit"}
    assert labels_of(set(), {"foods"}) == set()


class TestShipped:
    """data/openclipart, as it is committed."""

    collection = load_collection(SHIPPED) if SHIPPED.is_dir() else None
    pytestmark = pytest.mark.skipif(not SHIPPED.is_dir(), reason="data/openclipart is not there")

    def test_counts(self) -> None:
        assert self.collection is not None
        positives = np.asarray(self.collection.labels.sum(axis=0)).ravel()
        assert 50 <= len(positives) <= 60
        assert positives.min() >= openclipart.Options(root=Path()).min_positives
        per_image = self.collection.labels.sum(axis=1)
        assert 1.8 < per_image.mean() < 2.6
        assert len(self.collection) > 5000

    def test_no_tag_names_a_label(self) -> None:
        assert self.collection is not None
        assert [tag for tag in self.collection.values["tags"] if names_a_label(tag)] == []
        words = {word for name in self.collection.label_names for word in name.split()}
        assert words.isdisjoint(self.collection.values["tags"])

    def test_no_mail_address_is_shipped(self) -> None:
        table = pq.read_table(SHIPPED / "images.parquet")
        for column in ("owner", "tags", "sets", "groups"):
            values = table[column].combine_chunks()
            texts = values if column == "owner" else values.flatten()
            assert [text for text in texts.to_pylist() if text and "@" in text] == []

    def test_no_picture_is_there_twice_under_one_path(self) -> None:
        assert self.collection is not None
        assert len(set(self.collection.ids.to_pylist())) == len(self.collection)

    def test_thumbnails_and_size(self) -> None:
        assert self.collection is not None
        names = {path.name for path in (SHIPPED / "thumbnails").iterdir()}
        assert names == {f"{row}.webp" for row in range(len(self.collection))}
        assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) <= 25_000_000

    def test_the_card_says_what_it_is(self) -> None:
        card = json.loads((SHIPPED / "card.json").read_text(encoding="utf-8"))
        assert "not photographs" in card["what"]
        assert "public domain" in card["licence"]
        assert set(card["metadata"]) == {"tags", "sets", "groups"}
        for key in ("sha256_of_weights", "preprocessing", "scale"):
            assert key in card["features"]["efficientnet_lite0"]
