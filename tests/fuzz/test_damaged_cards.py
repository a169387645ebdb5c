"""A collection whose card.json is damaged: it loads, or one sentence says what is wrong with the card."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from damaged_values import damaged

from conftest import checked, made_up_table, settings, write_made_up
from love_thy_neighbors.collection.card import collection_fingerprint, collection_name, metadata_types, sha256
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.runs.identity import run_name
from love_thy_neighbors.sources.summary import summary
from love_thy_neighbors.sources.updating import earlier_collection, update_entry
from love_thy_neighbors.visible import one_line

CASES = 150


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small collection with splits of its own; the tests replace its card."""
    folder = write_made_up(tmp_path_factory.mktemp("damaged") / "collection", *made_up_table(60))
    np.save(folder / "splits.npy", np.repeat(np.int8([[0, 1, 2], [1, 2, 0]]), 20, axis=1))
    card = json.loads((folder / "card.json").read_text())
    card["splits"] = {"count": 2, "sha256": sha256(folder / "splits.npy")}
    card["update"] = {"added": 1, "changed": 2, "removed": 3, "kept": 4, "renamed": 0, "earlier": ["0" * 64]}
    (folder / "card.json").write_text(json.dumps(card))
    load_collection(folder)
    return folder


def readers(folder: Path) -> list[Callable[[], object]]:
    """What the programs do with a card. The configuration of a run is composed with the good one: that takes time."""
    config = settings(f"data={folder}", "split_by=release", "split=1")
    return [
        lambda: load_collection(folder),
        lambda: metadata_types(folder),
        lambda: collection_name(folder),
        lambda: collection_fingerprint(folder, None),
        lambda: collection_fingerprint(folder, "made_up"),
        lambda: run_name(checked(config)),  # before anything is loaded
        lambda: updated(folder),
        lambda: summary(folder),
    ]


def updated(folder: Path) -> None:
    """What an update reads of the collection that it replaces."""
    earlier = earlier_collection(folder)
    assert earlier is not None
    for name in earlier.card["features"]:
        earlier.features(name)
    json.dumps(update_entry(earlier, {}, 0))


def try_all(folder: Path, read_by: list[Callable[[], object]]) -> int:
    """How many of the `readers` refuse the card. Any exception but a `UserError` of one sentence fails the test."""
    refused = 0
    for read in read_by:
        try:
            read()
        except UserError as error:
            refused += 1
            text = one_line(str(error))  # as the programs print it
            assert text.endswith("."), text
            assert str(folder) in text, text
    return refused


def try_cases(folder: Path, cases: range) -> None:
    path = folder / "card.json"
    before = path.read_text()
    card, read_by, refused = json.loads(before), readers(folder), 0
    try:
        for number in cases:
            value, wounds = damaged(card, random.Random(f"card {number}"))
            path.write_text(json.dumps(value))
            try:
                refused += bool(try_all(folder, read_by))
            except Exception as error:
                pytest.fail(f"case {number}, {wounds!a}: {type(error).__name__}: {error}")
    finally:
        path.write_text(before)
    assert refused > len(cases) / 3  # the damage is felt


def test_some_damaged_cards(collection: Path) -> None:
    try_cases(collection, range(CASES))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_damaged_cards(collection: Path) -> None:
    try_cases(collection, range(CASES, 10_000))


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"format": ' + "1" * 5000 + "}",
        '{"format": 1, "name": "\\ud800"}',
        '{"format": 1, "scale": 1e400}',
        "\ufeff{}",
        "[]",
        "null",
    ],
    ids=["nested", "digits", "surrogate", "infinite", "byte order mark", "list", "null"],
)
def test_a_card_that_is_no_card_is_named(collection: Path, content: str) -> None:
    path, read_by = collection / "card.json", readers(collection)
    before = path.read_text()
    path.write_text(content)
    try:
        with pytest.raises(UserError, match=re.escape(str(path))):
            load_collection(collection)
        assert try_all(collection, read_by) >= 3
    finally:
        path.write_text(before)


@pytest.mark.parametrize("scale", ["1e400", "-1e400", "NaN", "1" * 400, "true", '"1"', "[1]", "0", "-1"])
def test_a_scale_that_is_no_positive_number_is_named(collection: Path, scale: str) -> None:
    path = collection / "card.json"
    before = path.read_text()
    path.write_text(before.replace('"scale": 1.0', f'"scale": {scale}'))
    try:
        with pytest.raises(UserError, match=re.escape(str(path))):
            load_collection(collection)
    finally:
        path.write_text(before)
