"""training/divergence.py: which curves of the loss count as a training that diverged."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from love_thy_neighbors.training.divergence import GROWTH, divergence

ZERO_SCORES = 60 * math.log(2)


@pytest.mark.parametrize(
    ("losses", "epoch"),
    [
        ([40.0, 9.0, 7.0], None),
        ([], None),
        ([40.0, 39_999.0], None),
        ([40.0, 40_001.0], 1),
        ([9.0, 8.0, 4e21, 3e21], 2),
        ([2e15, 5e6, 4e6], 0),  # the first epoch itself
        ([100.0, 90.0], None),  # worse than scores of zero, but it falls
        ([40.0, math.nan, 30.0], 1),
        ([math.inf], 0),
    ],
)
def test_which_curves_diverge(losses: list[float], epoch: int | None) -> None:
    found = divergence(losses, labels=60)
    assert (None if found is None else found["epoch"]) == epoch
    json.dumps(found, allow_nan=False)


@given(st.lists(st.floats(0.01, ZERO_SCORES), min_size=1), st.floats(1.01, 1e6))
def test_growth_is_what_counts(losses: list[float], more: float) -> None:
    start = losses[0]
    falling = [min(loss, start) for loss in losses]
    assert divergence(falling, labels=60) is None
    found = divergence([*falling, GROWTH * start * more], labels=60)
    assert found == {"epoch": len(falling), "loss": GROWTH * start * more, "start": start}
