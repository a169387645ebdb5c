"""Figure 6 against loops over images, ranks and labels."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from love_thy_neighbors.analysis.label_correlation import chance, coverage, label_correlation

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 5))


@st.composite
def neighborhoods(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels = draw(hnp.arrays(np.uint8, draw(SHAPES), elements=st.integers(0, 1)))
    images = len(labels)
    rows = np.array(draw(st.lists(st.integers(0, images - 1), min_size=1, max_size=images, unique=True)))
    shape = (len(rows), draw(st.integers(1, 4)))
    neighbors = draw(hnp.arrays(np.int32, shape, elements=st.integers(-1, images - 1)))
    return labels, rows, neighbors


@settings(deadline=None)
@given(neighborhoods())
def test_probabilities_are_shares_of_the_images_that_have_label_and_neighbor(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    labels, rows, neighbors = case
    found = label_correlation(sparse.csr_matrix(labels), rows, neighbors)
    assert found.dtype == np.float64
    assert found.shape == (neighbors.shape[1], labels.shape[1])
    for k in range(neighbors.shape[1]):
        for label in range(labels.shape[1]):
            shared = [
                labels[neighbor, label]
                for row, neighbor in zip(rows, neighbors[:, k], strict=True)
                if neighbor >= 0 and labels[row, label]
            ]
            np.testing.assert_equal(found[k, label], np.mean(shared) if shared else np.nan)


@settings(deadline=None)
@given(neighborhoods())
def test_an_image_s_copy_shares_all_its_labels(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    labels, rows, _ = case
    found = label_correlation(sparse.csr_matrix(labels), rows, rows[:, None].astype(np.int32))
    np.testing.assert_equal(found[0], np.where(labels[rows].any(axis=0), 1.0, np.nan))


@settings(deadline=None)
@given(neighborhoods())
def test_coverage_and_chance_are_plain_shares(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    labels, rows, neighbors = case
    np.testing.assert_allclose(coverage(neighbors), [np.mean([z != -1 for z in column]) for column in neighbors.T])
    np.testing.assert_allclose(chance(sparse.csr_matrix(labels), rows), labels[rows].mean(axis=0))


def test_random_neighbors_share_labels_by_chance() -> None:
    rng = np.random.default_rng(0)
    labels = sparse.csr_matrix((rng.random((20_000, 3)) < [0.5, 0.1, 0.02]).astype(np.uint8))
    rows = np.arange(20_000)
    neighbors = rng.integers(0, 20_000, (20_000, 5), dtype=np.int32)
    expected = np.broadcast_to(chance(labels, rows), (5, 3))
    np.testing.assert_allclose(label_correlation(labels, rows, neighbors), expected, atol=0.04)
