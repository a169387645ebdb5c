"""What a model folder keeps, and what results.json says."""

import copy
import json
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from love_thy_neighbors.calibration.confidence import Confidence, confidence_figures, fit_confidence
from love_thy_neighbors.errors import UserError

L = 6
NAMES = [f"label {i}" for i in range(L)]


def made_up(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(-3, 4, (n, L)).astype(np.float32)
    labels = rng.random((n, L)) < expit(0.8 * scores)
    labels[:, 2] = False
    return scores, labels


def test_what_is_written_reads_back_the_same() -> None:
    confidence = fit_confidence(*made_up(400, 0))
    read = Confidence.from_dict(json.loads(json.dumps(confidence.to_dict(), allow_nan=False)), labels=L)
    scores, _ = made_up(50, 1)
    np.testing.assert_array_equal(read.probabilities(scores), confidence.probabilities(scores))
    for precision in (0.3, 0.8, 0.9, 0.99):
        np.testing.assert_array_equal(read.thresholds(precision), confidence.thresholds(precision))


def broken(key: str, value: Any) -> Any:
    """The content of a file whose ``key`` (dots divide levels) has another value; a value of KeyError removes it."""
    content: Any = copy.deepcopy(fit_confidence(*made_up(400, 0)).to_dict())
    *parts, last = (int(part) if part.isdigit() else part for part in key.split("."))
    place = content
    for part in parts:
        place = place[part]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return content


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (None, "slopes"),
        ([], "slopes"),
        (broken("slopes", KeyError), "slopes"),
        (broken("slopes", "1"), "slopes"),
        (broken("slopes", [1.0] * (L - 1)), "slopes"),
        (broken("slopes", [-1.0] * L), "slopes"),
        (broken("intercepts", [float("nan")] * L), "intercepts"),
        (broken("intercepts", [10**400] * L), "intercepts"),
        (broken("intercepts", [True] * L), "intercepts"),
        (broken("intercepts", [[1.0]] * L), "intercepts"),
        (broken("intercepts", [1.0] * (L + 1)), "intercepts"),
        (broken("curves", {}), "curves"),
        (broken("curves", [{}] * (L - 1)), "curves"),
        (broken("curves", [{}] * L), r"curves\[0\].precision"),
        (broken("curves.1", 5), r"curves\[1\].precision"),
        (broken("curves.1.precision", [0.9, 0.8]), r"curves\[1\].precision"),
        (broken("curves.1.threshold", []), r"curves\[1\].threshold"),
        (broken("curves.1.threshold", [2.0]), r"curves\[1\].threshold"),
    ],
)
def test_content_that_is_not_a_calibration(content: Any, key: str) -> None:
    with pytest.raises(UserError, match=rf"^model/config\.json: confidence\.{key}"):
        Confidence.from_dict(content, labels=L, where="model/config.json: confidence")


def test_figures_of_a_run() -> None:
    val, test = made_up(800, 0), made_up(900, 1)
    found = confidence_figures(*val, *test, NAMES, 0.9)
    assert json.loads(json.dumps(found, allow_nan=False)) == found  # plain types
    confidence = fit_confidence(*val)
    given = confidence.probabilities(test[0]) >= confidence.thresholds(0.9)
    assert found["suggestions"]["suggested"] == given.sum() > 300
    assert found["suggestions"]["right"] == (given & test[1]).sum()
    assert found["suggestions"]["precision"] > 89
    assert found["never_suggested"] == ["label 2"]
    assert found["suggestions"]["never"] == 1
    assert 0 < found["calibration_error"]["test"]["all"] < found["calibration_error"]["test"]["possible"] < 10
    assert sum(one["pairs"] for one in found["reliability"]) == test[1].size
    assert confidence_figures(*val, *test, NAMES, 0.9, confidence) == found


def test_figures_where_nothing_can_be_suggested() -> None:
    scores, labels = made_up(50, 0)
    found = confidence_figures(scores, np.zeros_like(labels), scores, labels, NAMES, 0.9)
    assert found["never_suggested"] == NAMES
    assert found["suggestions"]["precision"] is None
    assert found["suggestions"]["coverage"] == 0
