"""The galleries: which examples they show, and what their pictures say."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image
from scipy import sparse

from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.report.pictures import LARGEST, filled, read_thumbnail
from love_thy_neighbors.report.sections.examples import (
    KINDS,
    MISLED,
    RARE,
    SHOWN,
    Example,
    ScoredImages,
    ShownLabel,
    choose_examples,
    draw_examples,
    examples_alt,
    shared_values,
)
from love_thy_neighbors.report.sections.learned_weights import PAIRS, SplitScore, draw_moved_most, moved_most
from love_thy_neighbors.report.style import RIGHT, WRONG

NAMES = ("a", "b", "c", "d", "e", "f")


@pytest.fixture
def made(made_up: Path, tmp_path: Path) -> Collection:
    """44 images: 0 to 9 are tested, 10 to 39 have the label of their tag, 40 to 43 fill up a frequent tag.

    Every image has a tag of its own label; rows 8 and 9 have a frequent tag instead. Every thumbnail is full, except
    that of row 7, which is line art.
    """
    labels, tags = np.zeros((44, 6), np.uint8), np.zeros((44, 7), np.uint8)
    for row in range(40):
        labels[row, row % 5] = 1
        tags[row, row % 5 if row not in (8, 9) else 5] = 1
    tags[10:, 5] = 1  # with rows 8 and 9 more than RARE images
    tags[[8, 18, 28, 38], 6] = 1  # a second tag that they share
    assert tags[:, 5].sum() > RARE
    (tmp_path / "thumbnails").mkdir()
    for row in range(44):
        picture = np.full((20, 20, 3), 255 if row == 7 else 90, np.uint8)
        picture[0] = 0
        Image.fromarray(picture).save(tmp_path / "thumbnails" / f"{row}.webp", lossless=True)
    return dataclasses.replace(
        load_collection(made_up),
        folder=tmp_path,
        label_names=NAMES,
        labels=sparse.csr_matrix(labels),
        metadata={"tags": sparse.csr_matrix(tags)},
        values={"tags": ["tag a", "tag b", "tag c", "tag d", "tag e", "frequent", "second"]},
    )


def scored(collection: Collection) -> ScoredImages:
    """Rows 0 to 9. Neighbours help all but 4, which they mislead to label f of none, and 3, where both are right."""
    rows = np.arange(10)
    labels = collection.labels[rows].toarray()
    before, after = np.zeros((10, 6), np.float32), labels.astype(np.float32)
    before[:, 5] = 1
    before[3] = after[3]
    before[4], after[4] = after[4].copy(), [0.5, 0.6, 0.7, 0.8, 0.2, 0.1]
    neighbors = np.stack([rows + 10, rows + 20, rows + 30], axis=1)
    neighbors[1, 2] = -1
    neighbors[4] = [13, 23, 33]
    return ScoredImages(rows, labels, before, after, neighbors)


def test_examples_are_seen_explained_and_gain_different_labels(made: Collection) -> None:
    cards = choose_examples(scored(made), made, "tags")
    # 1 lacks a neighbour, 3 changes nothing, 4 shares no tag, 5 gains the label of 0, 7 is line art, 9 shares a
    # frequent tag alone; 8 shares two tags and gains label d, 6 gains label b, 2 gains label c.
    assert {card.row for card in cards if card.kind == "neighbours help"} == {0, 6, 2, 8}
    assert cards[0].row == 8  # of equal changes the one with more shared tags
    card = cards[0]
    assert card.truth == ("d",)
    assert card.before[0] == ShownLabel("f", False)
    assert card.after[0] == ShownLabel("d", True)
    assert card.neighbors == tuple((row, ("second", "frequent")) for row in (18, 28, 38))
    assert examples_alt(cards[:1]).startswith("Image with the labels d. Image alone: f (wrong), ")


def test_an_example_misleads_if_most_neighbours_have_the_wrong_label(made: Collection) -> None:
    found = scored(made)
    tags = made.metadata["tags"].tolil()
    tags[4, 3] = 1
    made = dataclasses.replace(made, metadata={"tags": tags.tocsr()})
    assert [card.row for card in choose_examples(found, made, "tags") if card.kind == "neighbours mislead"] == [4]
    found.neighbors[4] = [13, 24, 34]
    assert not [card for card in choose_examples(found, made, "tags") if card.kind == "neighbours mislead"]


def test_one_frequent_tag_explains_no_neighbour(made: Collection) -> None:
    tags = made.metadata["tags"]
    counts = np.asarray(tags.sum(axis=0)).ravel()
    assert shared_values(tags, counts, 9, 19) == []
    assert shared_values(tags, counts, 8, 18) == [6, 5]
    assert shared_values(tags, counts, 0, 10) == [0]


@given(st.integers(0, 2**32 - 1))
def test_examples_keep_their_rule(seed: int) -> None:
    rng = np.random.default_rng(seed)
    N, L = 30, 5
    labels = (rng.random((N, L)) < 0.4).astype(np.uint8)
    collection = Seen(labels, (rng.random((N, 8)) < 0.5).astype(np.uint8))
    scores = rng.normal(size=(2, N, L)).astype(np.float32)
    found = ScoredImages(np.arange(N), labels, *scores, rng.integers(-1, N, (N, 4)).astype(np.int32))
    cards = choose_examples(found, collection, "tags")  # type: ignore[arg-type]
    assert len({card.row for card in cards}) == len(cards)
    assert len(cards) <= SHOWN
    assert sum(card.kind == KINDS[1] for card in cards) <= MISLED
    for card in cards:
        best = [[f"label{label}" for label in np.argsort(-one[card.row])[:3]] for one in scores]
        assert [[label.name for label in shown] for shown in (card.before, card.after)] == best
        assert all(label.right == (label.name in card.truth) for label in (*card.before, *card.after))
        assert [row for row, _ in card.neighbors] == found.neighbors[card.row, :3].tolist()
        assert all(row >= 0 and tags for row, tags in card.neighbors)


class Seen:
    """The part of a collection that the rule reads; no image has a thumbnail."""

    def __init__(self, labels: np.ndarray, tags: np.ndarray) -> None:
        self.labels, self.metadata = sparse.csr_matrix(labels), {"tags": sparse.csr_matrix(tags)}
        self.label_names = [f"label{label}" for label in range(labels.shape[1])]
        self.values = {"tags": [f"tag{tag}" for tag in range(tags.shape[1])]}


@pytest.fixture(autouse=True)
def _all_visible(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.originalname == "test_examples_keep_their_rule":
        monkeypatch.setattr("love_thy_neighbors.report.sections.examples.filled", lambda *_: 1.0)


def test_the_pairs_are_those_that_a_search_by_hand_finds() -> None:
    labels = np.array([[1, 1], [1, 0], [0, 1], [1, 0], [1, 1]], dtype=np.uint8)
    image = np.array([[3.0, 1.0], [0.5, 9.0], [0.0, 1.0], [2.0, 0.0], [9.0, 9.0]])
    neighborhood = np.array([[0.5, 2.0], [4.0, 0.0], [0.0, 3.5], [-5.0, 0.0], [0.0, 0.0]])
    bias = np.array([-1.0, 0.25])
    by_image, by_neighborhood = moved_most(
        image, neighborhood, bias, image + neighborhood + bias, labels, np.arange(5) + 10, ["cat", "dog"]
    )
    # Row 11's dog is wrong, 13's cat scores below zero, 14 has no neighborhood.
    assert by_neighborhood == [SplitScore(11, "cat", 0.5, 4.0, -1.0, 3.5), SplitScore(12, "dog", 1.0, 3.5, 0.25, 4.75)]
    assert by_image == [SplitScore(10, "cat", 3.0, 0.5, -1.0, 2.5)]


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 12))
def test_pairs_keep_their_law(seed: int, N: int, L: int) -> None:
    rng = np.random.default_rng(seed)
    labels = (rng.random((N, L)) < 0.5).astype(np.uint8)
    image, neighborhood = rng.normal(size=(2, N, L)).astype(np.float32)
    bias = rng.normal(size=L).astype(np.float32)
    scores = image + neighborhood + bias
    names = [f"label{label}" for label in range(L)]
    sides = moved_most(image, neighborhood, bias, scores, labels, np.arange(N), names)
    shown = [pair.row for side in sides for pair in side]
    assert len(set(shown)) == len(shown)
    for side in sides:
        assert len(side) <= PAIRS
        assert len({pair.label for pair in side}) == len(side)
        for pair in side:
            assert labels[pair.row, names.index(pair.label)] == 1
            assert pair.score > 0
            assert pair.image_part + pair.neighborhood_part + pair.bias == pytest.approx(pair.score, abs=1e-5)
    differences = [[pair.image_part - pair.neighborhood_part for pair in side] for side in sides]
    assert differences[0] == sorted(differences[0], reverse=True)
    assert differences[1] == sorted(differences[1])


@pytest.fixture
def collection(made_up: Path, tmp_path: Path) -> Collection:
    """The made-up collection in a folder of its own: row 0 has a picture, row 1 a broken one, row 2 one too large."""
    collection = load_collection(made_up)
    thumbnails = tmp_path / "thumbnails"
    thumbnails.mkdir()
    Image.new("RGB", (40, 30), "red").save(thumbnails / "0.webp")
    (thumbnails / "1.webp").write_bytes(b"no picture")
    Image.new("RGB", (LARGEST + 1, 2)).save(thumbnails / "2.webp")
    Image.new("RGB", (4, 4)).save(thumbnails / "3.webp", format="PNG")
    object.__setattr__(collection, "folder", tmp_path)
    return collection


def test_only_small_whole_webp_pictures_are_read(collection: Collection) -> None:
    picture = read_thumbnail(collection, 0)
    assert picture is not None
    assert picture.shape == (30, 40, 3)
    assert [read_thumbnail(collection, row) for row in (1, 2, 3, 4)] == [None] * 4
    assert filled(collection, 0) == 0.75
    assert filled(collection, 1) == 0


def texts(figure: Figure) -> dict[str, str]:
    """Every text of the figure, with its colour."""
    return {text.get_text(): to_hex(text.get_color()) for text in figure.texts}


EXAMPLE = Example(
    kind="neighbours mislead",
    row=0,
    truth=("$x^", "dog"),
    before=(ShownLabel("$x^", True), ShownLabel("cat", False), ShownLabel("dog", True)),
    after=(ShownLabel("cat", False), ShownLabel("a very long label that goes on", False), ShownLabel("dog", True)),
    neighbors=((0, ("red", "$y^")), (1, ("red",)), (2, ("red",))),
)


def test_the_picture_shows_labels_with_colour_and_sign_and_shared_tags(collection: Collection) -> None:
    figure = draw_examples([EXAMPLE], collection, "tags")
    shown = texts(figure)
    assert shown["$x^"] == shown["dog"] == shown["✓"] == RIGHT  # no mathematics is read into a label
    assert shown["cat"] == shown["✗"] == shown["neighbours mislead"] == WRONG
    assert {"a very long lab…", "$x^, dog", "red, $y^", "red", "image1", "image2"} <= shown.keys()
    assert sum(len(axis.images) for axis in figure.axes) == 2  # row 0, as the image and as its own neighbour
    figure.savefig(collection.folder / "examples.png")


def test_the_picture_of_pairs_shows_that_their_numbers_add_up(collection: Collection) -> None:
    pair = SplitScore(1, "cat", 3.0, -0.5, -1.0, 1.5)
    figure = draw_moved_most([pair], [], collection)
    assert {"cat", "3.00 − 0.50 − 1.00", "= 1.50", "image1"} <= texts(figure).keys()
    figure.savefig(collection.folder / "pairs.pdf")
    assert (collection.folder / "pairs.pdf").read_bytes().startswith(b"%PDF")
