"""Means, corrected intervals, and verdicts."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from love_thy_neighbors.paper import METRICS, QUOTED, TABLE_2, TABLE_3, TABLE_4
from love_thy_neighbors.report.claims import above_zero, all_of, no_change
from love_thy_neighbors.report.document import Gap, Verdict
from love_thy_neighbors.report.estimates import Difference, estimate_of, paired_difference

FIGURES = st.lists(st.floats(0, 100), min_size=1, max_size=8)


@given(FIGURES)
def test_estimates_equal_numpy(values: list[float]) -> None:
    estimate = estimate_of(values)
    assert estimate.mean == pytest.approx(np.mean(values))
    assert estimate.n == len(values)
    if len(values) > 1:
        assert estimate.std == pytest.approx(np.std(values, ddof=1))
    else:
        assert estimate.std is None


def test_an_estimate_needs_a_value() -> None:
    with pytest.raises(ValueError, match="at least one data point"):
        estimate_of([])


@given(FIGURES.filter(lambda values: np.ptp(values) > 1e-3))
def test_without_test_images_the_interval_is_that_of_the_t_test(values: list[float]) -> None:
    ours = dict(enumerate(values))
    difference = paired_difference(ours, dict.fromkeys(ours, 0.0), 0)
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert isinstance(difference, Difference)
    assert difference.low is not None
    assert [difference.low, difference.high] == pytest.approx([interval.low, interval.high], abs=1e-6)


def test_the_overlap_of_random_splits_widens_the_interval() -> None:
    """Nadeau and Bengio's variance by hand: n = 5, n_test / n_train = 0.21 / 0.58."""
    ours, theirs = {0: 3.0, 1: 4.0, 2: 5.0, 3: 6.0, 4: 7.0, 7: 1.0}, dict.fromkeys((0, 1, 2, 3, 4, 9), 1.0)
    difference = paired_difference(ours, theirs, 0.21 / 0.58)
    half = stats.t.ppf(0.975, 4) * np.sqrt((1 / 5 + 0.21 / 0.58) * 2.5)
    assert difference == Difference(4.0, pytest.approx(4 - half), pytest.approx(4 + half), 5, 5)


def test_one_split_has_no_interval_and_no_shared_split_no_difference() -> None:
    assert paired_difference({0: 2.0}, {0: 3.0, 1: 0.0}, 0.3) == Difference(-1.0, None, None, 1, 0)
    assert paired_difference({0: 2.0}, {1: 3.0}, 0.3) is None


CONFIRMED, LEANING = Difference(1, 0.5, 1.5, 5, 5), Difference(1, -0.5, 2.5, 5, 4)
BEHIND, ONE = Difference(-1, -1.5, -0.5, 5, 0), Difference(1, None, None, 1, 1)


@pytest.mark.parametrize(
    ("difference", "above", "unchanged"),
    [
        (CONFIRMED, Verdict.CONFIRMED, Verdict.NOT_CONFIRMED),
        (LEANING, Verdict.LEANING, Verdict.CONSISTENT),
        (BEHIND, Verdict.NOT_CONFIRMED, Verdict.NOT_CONFIRMED),
        (Difference(0, 0, 0, 5, 0), Verdict.NOT_CONFIRMED, Verdict.CONSISTENT),
        (ONE, Verdict.ONE_SPLIT, Verdict.ONE_SPLIT),
        (Gap.MISSING, Verdict.MISSING, Verdict.MISSING),
    ],
)
def test_verdicts(difference: Difference | Gap, above: Verdict, unchanged: Verdict) -> None:
    assert above_zero(difference) == above
    assert no_change(difference) == unchanged
    assert above_zero(difference, complete=False) == no_change(difference, complete=False) == Verdict.MISSING


def test_the_weakest_part_decides() -> None:
    verdicts = [above_zero(one) for one in (CONFIRMED, LEANING)]
    assert all_of(verdicts[:1]) == Verdict.CONFIRMED
    assert all_of(verdicts) == Verdict.LEANING
    assert all_of([*verdicts, above_zero(BEHIND)]) == Verdict.NOT_CONFIRMED
    assert all_of([*verdicts, above_zero(BEHIND), Verdict.MISSING]) == all_of([]) == Verdict.MISSING


def test_published_numbers_load_without_scipy() -> None:
    """The sources read Table 1 and must start quickly."""
    program = "import sys, love_thy_neighbors.paper; sys.exit('scipy' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_numbers_that_the_paper_prints_twice_are_equal() -> None:
    assert TABLE_2["neighborhood"]["mAP_L"] == TABLE_3["tags"]["mAP_L"] == TABLE_4["tags", "tags"]
    assert TABLE_2["neighborhood"]["mAP_I"] == TABLE_3["tags"]["mAP_I"]
    assert all(TABLE_4[kind, kind].mean == TABLE_3[kind]["mAP_L"].mean for kind in ("sets", "groups"))
    assert all(set(figures) == set(METRICS) for figures in TABLE_2.values())
    assert sum(len(figures) for figures in QUOTED.values()) == 2 + 3 * 4
