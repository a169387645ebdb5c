"""The GPU's way to the Jaccard lists, run on the processor: the same lists bit for bit, and what happens if it fails."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy import sparse
from test_jaccard import brute_force, made_up_tags, searches

from love_thy_neighbors.neighbors import jaccard_gpu as jaccard_blocks
from love_thy_neighbors.neighbors.jaccard import nearest_by_jaccard
from love_thy_neighbors.neighbors.jaccard_gpu import _first, gpu_for_jaccard, lists_in_blocks, nearest_by_jaccard_on

CPU = torch.device("cpu")


def in_blocks(*arguments: Any, **options: Any) -> np.ndarray:
    return np.concatenate([np.empty((0, arguments[3]), np.int32), *lists_in_blocks(CPU, *arguments, **options)])


@pytest.mark.parametrize("group", [1, 3, 64])
@settings(max_examples=150, deadline=None)
@given(search=searches())
def test_lists_are_those_of_brute_force(group: int, search: tuple[np.ndarray, np.ndarray, np.ndarray, int]) -> None:
    dense, queries, pool, depth = search
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jaccard_blocks, "GROUP", group)
        patch.setattr(jaccard_blocks, "QUERY_BLOCK", 3)
        found = in_blocks(sparse.csr_matrix(dense), queries, pool, depth)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, brute_force(dense, queries, pool, depth))


@pytest.mark.parametrize(("values", "mean"), [(30, 3.0), (900, 2.0), (400, 14.0)])
def test_lists_over_many_groups_are_those_of_the_processor(values: int, mean: float) -> None:
    tags = made_up_tags(2_000, values, mean)  # many ties, and images without tags
    rows = np.random.default_rng(2).permutation(2_000)
    for depth, pool in ((1, rows), (20, rows[500:]), (2_100, rows[:1_000])):
        np.testing.assert_array_equal(
            in_blocks(tags, rows[:700], pool, depth), nearest_by_jaccard(tags, rows[:700], pool, depth)
        )


def test_counts_in_float16_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    tags, rows = made_up_tags(150, 60, 20.0), np.arange(150)
    made = jaccard_blocks._Pool.__init__

    def as_on_a_gpu(self: Any, *arguments: Any) -> None:
        made(self, *arguments)
        self.counts = torch.float16

    monkeypatch.setattr(jaccard_blocks._Pool, "__init__", as_on_a_gpu)
    np.testing.assert_array_equal(in_blocks(tags, rows, rows, 9), nearest_by_jaccard(tags, rows, rows, 9))


@pytest.mark.parametrize("size", [1024, 4096])  # of the images: quotients in float32 and in float64
def test_similarities_that_differ_least_are_told_apart(size: int) -> None:
    # (size - 1) / size, size / (size + 1), 1, (size - 1) / (size + 1), size / (size + 2) and 1 / size.
    dense = np.zeros((7, 3 * size), dtype=bool)
    dense[0, :size] = True
    for row, (shared, others) in enumerate(((size - 1, 0), (size, 1), (size, 0), (size - 1, 1), (size, 2), (1, 0)), 1):
        dense[row, :shared] = dense[row, size : size + others] = True
    found = in_blocks(sparse.csr_matrix(dense), np.arange(7), np.arange(7), 6)
    np.testing.assert_array_equal(found, brute_force(dense, np.arange(7), np.arange(7), 6))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((2048, 2048), torch.float32), ((2049, 2049), torch.float64), ((5000, 1), torch.float32)],
)
def test_quotients_are_as_wide_as_the_images_sizes_ask(sizes: tuple[int, int], expected: torch.dtype) -> None:
    dense = np.zeros((2, 5000), dtype=bool)
    dense[0, : sizes[0]] = dense[1, : sizes[1]] = True
    pool = jaccard_blocks._Pool(CPU, sparse.csr_matrix(dense), np.array([0]), np.array([1]), 1)
    assert pool.quotients == expected


def test_float32_tells_all_fractions_apart_that_it_is_used_for() -> None:
    # The nearest fractions r/n > r'/n' have r n' - r' n = 1: all such pairs for the largest r and n.
    r, n = 2048, np.arange(2048, 4097)
    n = n[np.gcd(r, n) == 1]
    inverse = np.array([pow(int(r), -1, int(one)) for one in n])  # r n' = 1 (mod n)
    n2 = inverse + n * ((4096 - inverse) // n)  # the largest such n'
    r2 = (r * n2 - 1) // n
    assert ((r * n2 - r2 * n) == 1).all()
    assert (np.float32(r) / n.astype(np.float32) > r2.astype(np.float32) / n2.astype(np.float32)).all()


def test_ties_go_to_the_lower_place_across_groups() -> None:
    values = torch.tensor([[0.5, 0.2, 0.2, 0.5, 0.0, 0.2, 0.5, 0.2]])
    expected = [0, 3, 6, 1, 2, 5, 7, -1]
    for group in (1, 2, 4, 8):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(jaccard_blocks, "GROUP", group)
            for depth in range(1, 9):
                assert _first(values.view(1, -1, group), depth).tolist() == [expected[:depth]]


@pytest.fixture
def tags() -> sparse.csr_matrix:
    return made_up_tags(300, 50, 4.0)


class OutOfMemory:
    """Stands before `_Pool.lists`: no memory for more than ``room`` queries at once, and none from ``until`` on."""

    def __init__(self, room: int, until: int = 10**9) -> None:
        self.room, self.until, self.blocks = room, until, []

    def install(self, patch: pytest.MonkeyPatch) -> None:
        lists = jaccard_blocks._Pool.lists

        def checked(pool: Any, queries: np.ndarray) -> np.ndarray:
            if len(queries) > self.room or sum(self.blocks) >= self.until:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.\nMore to read.")
            self.blocks.append(len(queries))
            return lists(pool, queries)

        patch.setattr(jaccard_blocks._Pool, "lists", checked)


def test_blocks_get_smaller_until_they_fit(tags: sparse.csr_matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, rows = OutOfMemory(room=40), np.arange(300)
    monkeypatch.setattr(jaccard_blocks, "QUERY_BLOCK", 256)
    memory.install(monkeypatch)
    np.testing.assert_array_equal(in_blocks(tags, rows, rows, 5), nearest_by_jaccard(tags, rows, rows, 5))
    assert memory.blocks == [32] * 9 + [12]


def test_blocks_are_chosen_by_what_is_free(tags: sparse.csr_matrix) -> None:
    rows = np.arange(300)
    sizes = [
        [len(block) for block in lists_in_blocks(CPU, tags, rows, rows, 5, free_bytes=free)]
        for free in (250_000, 1_000_000, 1 << 30)
    ]
    assert all(sum(one) == 300 for one in sizes)
    assert sizes[0][0] < sizes[1][0] < sizes[2][0] == 300
    with pytest.raises(RuntimeError, match="for the pool"):
        next(lists_in_blocks(CPU, tags, rows, rows, 5, free_bytes=100_000))


@pytest.mark.parametrize("memory", [OutOfMemory(room=0), OutOfMemory(room=100, until=100)], ids=["at once", "later"])
def test_the_processor_makes_the_lists_that_are_left(
    tags: sparse.csr_matrix,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    memory: OutOfMemory,
) -> None:
    rows, seen = np.arange(300), []
    monkeypatch.setattr(jaccard_blocks, "QUERY_BLOCK", 100)
    memory.install(monkeypatch)
    found = nearest_by_jaccard_on(CPU, tags, rows, rows, 5, progress=seen.append)
    np.testing.assert_array_equal(found, nearest_by_jaccard(tags, rows, rows, 5))
    assert sum(seen) == 300
    assert caplog.messages == [
        "Neighbours are found on the processor, not on cpu: CUDA out of memory. Tried to allocate 1 GiB."
    ]


def test_a_device_that_counts_wrongly_is_not_believed(
    tags: sparse.csr_matrix, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rows, seen = np.arange(300), []
    lists = jaccard_blocks._Pool.lists
    monkeypatch.setattr(jaccard_blocks._Pool, "lists", lambda pool, queries: lists(pool, queries)[:, ::-1].copy())
    found = nearest_by_jaccard_on(CPU, tags, rows, rows, 5, progress=seen.append)
    np.testing.assert_array_equal(found, nearest_by_jaccard(tags, rows, rows, 5))
    assert sum(seen) == 300
    assert "not those of the processor" in caplog.text


def test_a_device_that_works_is_used_without_a_word(
    tags: sparse.csr_matrix, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    memory, rows = OutOfMemory(room=300), np.arange(300)
    memory.install(monkeypatch)
    nearest_by_jaccard_on(CPU, tags, rows, rows, 5)
    assert sum(memory.blocks) == 300
    assert not caplog.messages


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"depth": 0}, "depth = 0"),
        ({"queries": np.array([3])}, "queries must be a list of row numbers from 0 to 2"),
        ({"pool": np.array([-1])}, "pool must be a list of row numbers from 0 to 2"),
    ],
)
def test_what_cannot_be_searched_is_refused(changed: dict[str, Any], message: str) -> None:
    arguments = {"queries": np.arange(3), "pool": np.arange(3), "depth": 1} | changed
    with pytest.raises(ValueError, match=message):
        nearest_by_jaccard_on(CPU, sparse.csr_matrix(np.ones((3, 2))), **arguments)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


def test_a_gpu_is_for_large_searches_in_small_vocabularies(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    many, few = np.arange(40_000), np.arange(1_000)
    tags, sets = (sparse.csr_matrix((40_000, values), dtype=np.uint8) for values in (5_000, 165_039))
    assert gpu_for_jaccard(tags, many, many) == torch.device("cuda")
    assert gpu_for_jaccard(tags, few, many) is None
    assert gpu_for_jaccard(sets, many, many) is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_for_jaccard(tags, many, many) is None


@pytest.mark.skipif(
    torch.cuda.is_available() or torch.version.cuda is None, reason="needs a CUDA build of PyTorch and no GPU"
)
def test_a_gpu_that_cannot_be_used_is_one_line(
    gpu: None, tags: sparse.csr_matrix, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(jaccard_blocks, "FEWEST_PAIRS", 1)
    rows = np.arange(300)
    device = gpu_for_jaccard(tags, rows, rows)
    assert device is not None
    found = nearest_by_jaccard_on(device, tags, rows, rows, 5)
    np.testing.assert_array_equal(found, nearest_by_jaccard(tags, rows, rows, 5))
    assert caplog.messages[0].startswith("Neighbours are found on the processor, not on cuda: ")
