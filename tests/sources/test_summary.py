"""sources/summary.py: what is said of a collection is what is in it, and the next command can be typed as it stands."""

import shlex
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import checked, made_up_table, write_made_up
from conftest import settings as train_settings
from love_thy_neighbors.collection.writing import write_collection
from love_thy_neighbors.programs.default_model import with_default_model
from love_thy_neighbors.sources.summary import as_typed, most_frequent, next_steps, summary, with_neighbours

lists = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=4), max_size=12)


def column(rows: list[list[str]]) -> pa.Array:
    return pa.array(rows, pa.list_(pa.string()))


@settings(deadline=None)
@given(lists, st.integers(0, 9))
def test_most_frequent_counts_images(rows: list[list[str]], count: int) -> None:
    images = Counter(chain.from_iterable(map(set, rows)))
    expected = sorted(images.items(), key=lambda one: (-one[1], one[0]))[:count]
    assert most_frequent(column(rows), count) == expected


@settings(deadline=None)
@given(lists)
def test_a_neighbour_is_another_image_with_the_value(rows: list[list[str]]) -> None:
    expected = [
        any(set(row) & set(other) for place, other in enumerate(rows) if place != here) for here, row in enumerate(rows)
    ]
    assert with_neighbours(column(rows)).tolist() == expected


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="\0\n\r\\", exclude_categories=("Cs", "Cc")), min_size=1))
def test_a_path_is_typed_so_that_it_arrives(name: str) -> None:
    path = Path("data") / name
    words = shlex.split(as_typed("data", path))
    assert len(words) == 1
    override = OverridesParser.create().parse_override(words[0])
    assert override.key_or_group == "data"
    assert Path(override.value()) == path  # of the name '.' the text differs


@pytest.mark.parametrize("name", ["nuswide", "2019", "true", "null"])
def test_a_name_alone_is_a_path(name: str) -> None:
    assert as_typed("data", Path(name)) == f"data=./{name}"


def lines_of(folder: Path) -> dict[str, str]:
    """The lines by what stands before the first colon."""
    return dict(line.strip().split(": ", 1) for line in summary(folder) if ": " in line)


def test_what_a_collection_holds(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": [str(row) for row in range(5)],
            "labels": column([["x"], ["x"], ["y"], ["y"], []]),
            "tags": column([["sea", "sun"], ["sea"], ["sea\nside"], [], ["sun"]]),
            "cameras": column([["X100"], [], [], [], []]),
        }
    )
    features = {"net": np.ones((5, 4), np.float16)}
    write_collection(tmp_path / "mine", table, {"name": "mine", "labels": {"names": ["x", "y"]}}, features)
    lines = lines_of(tmp_path / "mine")
    assert lines["5 photos"] == "4 with labels, 1 without"
    assert lines["by tags"] == "3 photos have some, 2 have none (1 without tags)"
    assert lines["by cameras"] == "0 photos have some, 5 have none (4 without cameras)"
    assert lines["most frequent tags"] == r"sea (2), sun (2), sea\nside (1)"
    assert lines["Next"] == f"python train.py data={tmp_path / 'mine'}"


def all_of(*, tags: float = 0, sets: float = 0) -> dict[str, np.ndarray]:
    return {kind: np.arange(10) < 10 * share for kind, share in (("tags", tags), ("sets", sets))}


@pytest.mark.parametrize(
    ("neighbours", "expected"),
    [
        (all_of(tags=1, sets=1), ""),
        (all_of(sets=0.1), ""),
        (all_of(), " model=visual_mlp"),
        ({}, " model=visual_mlp"),
    ],
)
def test_the_model_suits_the_metadata(neighbours: dict[str, np.ndarray], expected: str) -> None:
    assert next_steps(Path("data/mine"), True, np.ones(10, bool), neighbours) == [
        f"Next: python train.py data=data/mine{expected}"
    ]


def test_what_comes_before_training() -> None:
    none, folder = np.zeros(10, dtype=bool), Path("data/mine")
    assert "source=collection root=data/mine" in next_steps(folder, False, none, {})[0]
    labels, other = next_steps(folder, True, none, {})
    assert "labels=" in labels
    assert "update=true" in labels
    assert "collection=data/mine" in other
    assert "train.py" not in labels + other


def test_the_next_command_is_one_that_train_takes(tmp_path: Path) -> None:
    table, features = made_up_table()
    folder = write_made_up(tmp_path / "a collection", table, features)
    for columns in (["tags", "sets", "groups"], ["sets"], []):
        part = table.select(["id", "labels", *columns])
        names = sorted({label for labels in part["labels"].to_pylist() for label in labels})
        write_collection(folder, part, {"name": "made-up", "labels": {"names": names}}, {"net": features})
        command = shlex.split(lines_of(folder)["Next"])
        assert command[:2] == ["python", "train.py"]
        assert checked(train_settings(*with_default_model(command[2:]))).collection.folder == folder
