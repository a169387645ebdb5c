"""The section on probabilities and suggestions: its table, its diagram, and results that it cannot use."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from love_thy_neighbors.calibration.confidence import confidence_figures
from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.programs.experiments import Job
from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.context import Context
from love_thy_neighbors.report.document import Figure, Gap, Links, Note, Table
from love_thy_neighbors.report.matching import Matched, Planned, Runs
from love_thy_neighbors.report.own_baseline import Baselines
from love_thy_neighbors.report.page import relative_address
from love_thy_neighbors.report.sections.confidence import FIGURES, confidence, pages_of_test_images, reliability_diagram
from love_thy_neighbors.report.style import SERIES


def said(seed: int) -> dict[str, Any]:
    """What a run says of made-up images."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(-2, 3, (400, 4))
    labels = rng.random((400, 4)) < 1 / (1 + np.exp(-scores))
    return confidence_figures(scores, labels, scores, labels, list("abcd"), 0.9)


def planned(model: str, split: int, content: Any) -> Planned:
    config = {"model": {"name": model}, "split": split}
    result = Result(Path("/logs") / f"{model}{split}", 0, "annotation", "c", config, {}, 1.0, {}, {}, content)
    return Planned(Job((f"model={model}", f"split={split}"), config), result)


def context(*runs: Planned) -> Context:
    return Context(Matched({"confidence": Runs(runs)}, [], []), Path("/collection"), Baselines([]))


def test_the_table_has_mean_and_deviation_over_splits() -> None:
    first, second = said(0), said(1)
    blocks, origins = confidence(
        context(planned("neighborhood", 0, first), planned("neighborhood", 1, second), planned("visual_only", 0, first))
    )
    table, figure, _ = blocks
    assert isinstance(table, Table)
    assert isinstance(figure, Figure)
    ours, visual = (dict(zip(("model", "splits", *FIGURES), row.cells, strict=True)) for row in table.rows)
    right = [one["suggestions"]["precision"] for one in (first, second)]
    assert ours["right (%)"] == Estimate(pytest.approx(np.mean(right)), pytest.approx(np.std(right, ddof=1)), 2)
    assert ours["splits"] == 2
    assert visual["coverage (%)"] == Estimate(first["suggestions"]["coverage"], None, 1)
    assert visual["calibration error, all pairs"] == Estimate(first["calibration_error"]["test"]["all"], None, 1)
    assert "90 %" in table.caption
    assert len(origins) == 2


def test_the_diagram_shows_all_splits_together(tmp_path: Path) -> None:
    bins = np.zeros((15, 3))
    bins[0], bins[9] = (1000, 20, 10), (50, 31, 40)
    figure = reliability_diagram({"tag neighbours": bins, "visual-only": bins * 2})
    shares, counts = figure.axes
    points = next(line for line in shares.lines if to_hex(line.get_color()) == SERIES[0])
    np.testing.assert_allclose(np.column_stack(points.get_data()), [[2, 1], [62, 80]])
    assert counts.lines[1].get_ydata().tolist() == [2000, 100]
    bar = shares.collections[0].get_segments()[1]
    assert np.ptp(bar[:, 1]) == pytest.approx(4 * 100 * np.sqrt(0.8 * 0.2 / 50))
    figure.savefig(tmp_path / "figure.png")


def test_results_of_earlier_versions_are_passed_over() -> None:
    blocks, _ = confidence(context(planned("neighborhood", 0, said(0)), planned("neighborhood", 1, None)))
    assert isinstance(blocks[0], Table)
    assert [row.cells[1] for row in blocks[0].rows] == [1, 0]
    assert blocks[0].rows[1].cells[2] == Gap.MISSING
    (note,), _ = confidence(context(planned("neighborhood", 0, None)))
    assert isinstance(note, Note)
    assert "overwrite=true" in note.text
    assert confidence(context()) == ([], [])


def test_a_run_that_suggests_nothing_has_no_precision() -> None:
    content = said(0)
    content["suggestions"] |= {"suggested": 0, "right": 0, "precision": None}
    blocks, _ = confidence(context(planned("neighborhood", 0, content)))
    assert isinstance(blocks[0], Table)
    assert blocks[0].rows[0].cells[3] == Gap.NONE


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("suggestions", None),
        ("suggestions", {}),
        ("calibration_error", {"test": 5}),
        ("reliability", [{"pairs": 1}]),
        ("reliability", [{"pairs": 1, "right": 0.0, "probability": -0.1}]),
        ("reliability", [{"pairs": 1, "right": 0.0, "probability": float("inf")}]),
        ("precision", "high"),
    ],
)
def test_damaged_results_are_named(key: str, value: Any) -> None:
    content = copy.deepcopy(said(0)) | {key: value}
    (note,), _ = confidence(context(planned("neighborhood", 0, content)))
    assert isinstance(note, Note)
    assert "/logs/neighborhood0/results.json: confidence" in note.text


def test_other_content_than_a_table_of_keys() -> None:
    (note,), _ = confidence(context(planned("neighborhood", 0, [1])))
    assert isinstance(note, Note)
    assert "results.json" in note.text


def test_pages_of_test_images_are_linked_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "run 1" / "test").mkdir(parents=True)
    (tmp_path / "run 1" / "test" / "index.html").touch()
    made = [SimpleNamespace(folder=tmp_path / name) for name in ("run 1", "run 2")]
    found = pages_of_test_images({"neighborhood": SimpleNamespace(results=made)})  # type: ignore[dict-item]
    assert isinstance(found, Links)
    ((title, path),) = found.pages
    assert title == "run 1"
    assert relative_address(path, tmp_path / "report") == "../run%201/test/index.html"
    note = pages_of_test_images({"neighborhood": SimpleNamespace(results=made[1:])})  # type: ignore[dict-item]
    assert isinstance(note, Note)
    assert f"run={tmp_path / 'run 2'}" in note.text
