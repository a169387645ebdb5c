"""Lists computed in blocks: the final file, and blocks that an interrupted run has finished."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from filelock import FileLock
from scipy import sparse

from love_thy_neighbors.cluster.engine import LOCAL, Engine
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.neighbors import list_files as module
from love_thy_neighbors.neighbors.euclidean import euclidean_search, nearest_by_euclidean
from love_thy_neighbors.neighbors.jaccard import jaccard_search, nearest_by_jaccard
from love_thy_neighbors.ownership import hidden_name

RNG = np.random.default_rng(0)
TAGS = sparse.csr_matrix(RNG.random((70, 12)) < 0.2)
FEATURES = RNG.integers(-5, 5, (70, 4)).astype(np.float16)
QUERIES, POOL = RNG.permutation(70)[:45], np.arange(10, 70)

SEARCHES = {
    "jaccard": (jaccard_search(TAGS, QUERIES, POOL, 5), nearest_by_jaccard(TAGS, QUERIES, POOL, 5)),
    "euclidean": (
        euclidean_search(FEATURES, QUERIES, POOL, 5),
        nearest_by_euclidean(FEATURES, QUERIES, POOL, 5),
    ),
}


@pytest.mark.parametrize("block", [1, 7, 45, 1000])
@pytest.mark.parametrize("kind", list(SEARCHES))
def test_blocks_give_the_same_file_as_one_search(tmp_path: Path, kind: str, block: int) -> None:
    search, whole = SEARCHES[kind]
    np.save(tmp_path / "whole.npy", whole)
    module.write_lists(tmp_path / "lists.npy", search, "made up", LOCAL, block)
    assert (tmp_path / "lists.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lists.npy", "whole.npy"]


def test_no_queries_give_an_empty_list(tmp_path: Path) -> None:
    module.write_lists(tmp_path / "lists.npy", jaccard_search(TAGS, QUERIES[:0], POOL, 5), "made up", LOCAL, 7)
    assert np.load(tmp_path / "lists.npy").shape == (0, 5)


class Interrupted(NamedTuple):
    """A search that ends with Ctrl-C at one of its blocks."""

    queries: np.ndarray
    depth: int
    at: int
    seen: list[int]

    def lists(self, start: int, stop: int) -> np.ndarray:
        if start == self.at:
            raise KeyboardInterrupt
        self.seen.append(start)
        return SEARCHES["jaccard"][0].lists(start, stop)


@pytest.mark.parametrize("damage", [None, b"", b"\x93NUMPY\x01\x00", b"hello"])
def test_finished_blocks_are_used_again_and_damaged_ones_are_not(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "lists.npy"
    cut: Any = Interrupted(QUERIES, 5, at=30, seen=[])
    with pytest.raises(KeyboardInterrupt):
        module.write_lists(path, cut, "made up", LOCAL, 10)
    assert cut.seen == [0, 10, 20]
    assert not path.exists()
    blocks = sorted(tmp_path.glob("lists.blocks/*.npy"))
    assert blocks[0].name == "000000000-000000010.npy"
    if damage is not None:
        blocks[0].write_bytes(damage)
    again: Any = Interrupted(QUERIES, 5, at=-1, seen=[])
    module.write_lists(path, again, "made up", LOCAL, 10)
    missing = {0, 10, 20, 30, 40} - {int(block.name[:9]) for block in blocks}
    assert set(again.seen) == missing | ({0} if damage is not None else set())
    assert {30, 40} <= missing
    np.testing.assert_array_equal(np.load(path), SEARCHES["jaccard"][1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("spark",), "engine: 'spark'"),
        (("local", "auto"), "ray.address: auto"),
    ],
)
def test_wrong_engine_settings(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Engine(*arguments)


def test_without_ray_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from love_thy_neighbors.cluster import engine as engines

    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install -e '\.\[ray\]'"):
        Engine("ray")


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_folder_of_blocks_that_is_not_ours_is_not_used(tmp_path: Path, kind: str) -> None:
    mine = tmp_path / ("mine" if kind == "link" else "lists.blocks")
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    if kind == "link":
        (tmp_path / "lists.blocks").symlink_to(mine)
    with pytest.raises(UserError, match=r"lists\.blocks"):
        module.write_lists(tmp_path / "lists.npy", SEARCHES["jaccard"][0], "made up", LOCAL, 7)
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]
    assert not (tmp_path / "lists.npy").exists()


def test_remains_of_a_killed_process_go_with_the_blocks(tmp_path: Path) -> None:
    (tmp_path / "lists.blocks").mkdir()
    for path in (tmp_path / "lists.npy", tmp_path / "lists.blocks" / "000000000-000000007.npy"):
        hidden_name(path, "tmp").write_bytes(b"half")
    module.write_lists(tmp_path / "lists.npy", SEARCHES["jaccard"][0], "made up", LOCAL, 7)
    assert [path.name for path in tmp_path.iterdir()] == ["lists.npy"]


@pytest.mark.parametrize("held", [False, True])
def test_blocks_that_a_killed_process_left_beside_its_finished_lists_are_removed(tmp_path: Path, held: bool) -> None:
    path, blocks = tmp_path / "lists.npy", tmp_path / "lists.blocks"
    blocks.mkdir()
    (blocks / "000000000-000000010.npy").write_bytes(b"")
    with FileLock(path.with_suffix(".lock")) if held else nullcontext():
        module.remove_blocks(path)
    assert blocks.is_dir() == held  # by the process that holds the lock
