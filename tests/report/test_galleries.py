"""Which examples the report shows, and what their pictures say."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.report.galleries import (
    COUNTS,
    NEIGHBORS,
    PAIRS,
    TOP,
    Example,
    ShownLabel,
    SplitScore,
    example_alt,
    examples,
    moved_most,
    split_score_alt,
)
from love_thy_neighbors.report.gallery_figures import LARGEST, examples_figure, moved_most_figure, read_thumbnail
from love_thy_neighbors.report.themes import DARK, LIGHT, Theme

NAMES = ["a", "b", "c", "d", "e"]


def kinds(cards: list[Example]) -> dict[str, list[int]]:
    return {kind: [card.row for card in cards if card.kind == kind] for kind in COUNTS}


def test_each_kind_of_example_is_found_and_named() -> None:
    # Two labels each; scores that name them first, or the other three.
    labels = np.zeros((7, 5), dtype=np.uint8)
    for place, pair in enumerate([(0, 1), (1, 2), (2, 3), (3, 4), (0, 4), (0, 2), (1, 3)]):
        labels[place, pair] = 1
    good, bad = labels.astype(np.float32), 1 - labels.astype(np.float32)
    #                          helped   both right  misled   both wrong  helped, but too few neighbours
    scores = np.stack([good[0], good[1], good[2], good[3], bad[4], bad[5], good[6]])
    before = np.stack([bad[0], bad[1], good[2], good[3], good[4], bad[5], bad[6]])
    neighbors = np.arange(42, dtype=np.int32).reshape(7, 6)
    neighbors[6, 5] = -1
    rows = np.arange(7) + 100
    cards = examples(labels, scores, before, neighbors, rows, NAMES)
    assert {kind: set(found) for kind, found in kinds(cards).items()} == {
        "helped by neighbours": {100, 101},
        "both right": {102, 103},
        "misled by neighbours": {104},
        "both wrong": {105},
    }
    card = cards[0]
    assert card.row == 100
    assert card.truth == ("a", "b")
    assert card.after == (ShownLabel("a", True), ShownLabel("b", True), ShownLabel("c", False))
    assert card.before == (ShownLabel("c", False), ShownLabel("d", False), ShownLabel("e", False))
    assert card.after_ap == 1.0 > card.before_ap
    assert card.neighbors == (0, 1, 2, 3, 4, 5)
    assert [card.kind for card in cards if card.failed] == ["misled by neighbours", "both wrong"]
    assert example_alt(card) == (
        "Image with the labels a, b. By its pixels alone: c (wrong), d (wrong), e (wrong). "
        "With neighbours: a (right), b (right), c (wrong)."
    )


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 7), st.integers(1, 8))
def test_examples_keep_their_law(seed: int, N: int, L: int, M: int) -> None:
    rng = np.random.default_rng(seed)
    labels = (rng.random((N, L)) < 0.4).astype(np.uint8)
    scores, before = rng.normal(size=(2, N, L)).astype(np.float32)
    neighbors = rng.integers(-1, N, (N, M)).astype(np.int32)
    rows = rng.permutation(1000)[:N]
    cards = examples(labels, scores, before, neighbors, rows, [f"label{label}" for label in range(L)])
    place = {int(row): index for index, row in enumerate(rows)}
    label_sets = [labels[place[card.row]].tobytes() for card in cards]
    assert len(set(label_sets)) == len(cards)
    for kind, found in kinds(cards).items():
        assert len(found) <= COUNTS[kind]
    for card in cards:
        at = place[card.row]
        assert card.neighbors == tuple(neighbors[at, :NEIGHBORS])
        assert min(card.neighbors) >= 0
        right = {}
        for name, given_scores, shown in (("before", before, card.before), ("after", scores, card.after)):
            best = sorted(range(L), key=lambda label: -given_scores[at, label])[:TOP]
            assert [label.name for label in shown] == [f"label{label}" for label in best]
            assert [label.right for label in shown] == [bool(labels[at, label]) for label in best]
            right[name] = sum(label.right for label in shown)
        possible = min(len(card.truth), TOP)
        assert {
            "helped by neighbours": right["after"] > right["before"] and card.after_ap > card.before_ap,
            "misled by neighbours": right["after"] < right["before"] and card.after_ap < card.before_ap,
            "both right": right["after"] == right["before"] == possible,
            "both wrong": right["after"] == right["before"] == 0,
        }[card.kind]


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
    assert split_score_alt(by_image[0]) == (
        "Image labelled cat, score 2.5: +3.0 from the image, +0.5 from its neighborhood, -1.0 bias."
    )


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


def texts(figure: Figure) -> dict[str, str]:
    """Every text of the figure's axes, with its colour."""
    return {text.get_text(): to_hex(text.get_color()) for axis in figure.axes for text in axis.texts if text.get_text()}


EXAMPLE = Example(
    kind="misled by neighbours",
    row=0,
    truth=("$x^", "dog"),
    before=(ShownLabel("$x^", True), ShownLabel("cat", False), ShownLabel("dog", True)),
    after=(ShownLabel("cat", False), ShownLabel("a very long label that goes on", False), ShownLabel("dog", True)),
    before_ap=0.8,
    after_ap=0.4,
    neighbors=(0, 1, 2, 3, 4, 5),
)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_picture_shows_labels_in_their_colours(collection: Collection, theme: Theme) -> None:
    figure = examples_figure([EXAMPLE], collection, theme)
    shown = texts(figure)
    assert shown["✓ $x^"] == shown["✓ dog"] == theme.right  # no mathematics is read into a label
    assert shown["✗ cat"] == shown["misled by neighbours"] == theme.wrong
    assert shown["✗ a very long lab…"] == theme.wrong
    assert [name for name in shown if name.startswith("image")] == [
        "image",
        "image alone",
        "image1",
        *map("image{}".format, range(2, 6)),
    ]
    assert sum(len(axis.images) for axis in figure.axes) == 2  # row 0, as the image and as its own neighbour
    figure.savefig(collection.folder / "examples.png")


def test_the_picture_of_pairs_shows_that_their_numbers_add_up(collection: Collection) -> None:
    pair = SplitScore(1, "cat", 3.0, -0.5, -1.0, 1.5)
    figure = moved_most_figure([pair], [], collection, LIGHT)
    shown = texts(figure)
    assert {"cat", "3.00 − 0.50 − 1.00", "= 1.50", "image1"} <= shown.keys()
    figure.savefig(collection.folder / "pairs.pdf")
    assert (collection.folder / "pairs.pdf").read_bytes().startswith(b"%PDF")


def test_galleries_without_anything_to_show_are_empty_pictures(collection: Collection) -> None:
    for figure in (examples_figure([], collection, LIGHT), moved_most_figure([], [], collection, LIGHT)):
        figure.savefig(collection.folder / "empty.png")
