"""What train.py prints: the line at the start, a model's confidence, the loss of overfitting."""

from pathlib import Path
from typing import Any

import pytest

from conftest import settings
from love_thy_neighbors.runs.printing import (
    PAPER_METRICS,
    confidence_lines,
    print_confidence,
    print_loss,
    results_table,
    start_line,
)
from love_thy_neighbors.runs.settings import settings_of


def confidence(suggested: int = 2310, never: int = 12, possible: float | None = 1.5) -> dict[str, Any]:
    right = round(0.91 * suggested)
    return {
        "precision": 0.9,
        "labels": 60,
        "suggestions": {
            "suggested": suggested,
            "right": right,
            "precision": 100 * right / suggested if suggested else None,
            "coverage": 48.04 if suggested else 0.0,
            "images": 900,
            "never": never,
        },
        "calibration_error": {"test": {"all": 0.114, "possible": possible}},
    }


def test_the_sentence_on_suggestions(capsys: pytest.CaptureFixture[str]) -> None:
    print_confidence(confidence())
    first, second, third = capsys.readouterr().out.splitlines()
    assert "of 2,310 suggestions on test images 91 % were right; they cover 48 % of the labels" in first
    assert "precision=0.9" in first
    assert "12 of 60 labels are never suggested" in second
    assert "0.11 %" in third
    assert "1.50 %" in third


def test_what_does_not_apply_is_not_said() -> None:
    assert not any("never" in line for line in confidence_lines(confidence(never=0)))
    assert len(confidence_lines(confidence(possible=None, never=0))) == 1


def test_nothing_is_suggested() -> None:
    first, second = confidence_lines(confidence(suggested=0, never=60, possible=None))
    assert "nothing is suggested" in first
    assert "60 of 60" in second


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ((), "openclipart, neighborhood, neighbours by tags, m=3 M=6, split 0: run"),
        (("test_metadata=sets",), "openclipart, neighborhood, neighbours by tags, at test time by sets, m=3 M=6, split 0: run"),
        (("model=visual_only", "split=2"), "openclipart, visual_only, split 2: run"),
        (("measure=statistics",), "openclipart, statistics: run"),
    ],
)  # fmt: skip
def test_the_line_at_the_start(overrides: tuple[str, ...], line: str) -> None:
    assert start_line(settings_of(settings(*overrides)), Path("run")) == line


@pytest.mark.parametrize(("losses", "verdict"), [((30.0, 0.5), "can learn"), ((30.0, 20.0), "has not learned")])
def test_the_answer_of_overfitting(losses: tuple[float, ...], verdict: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_loss(losses)
    assert verdict in capsys.readouterr().out


@pytest.mark.parametrize(("loss", "said"), [(4e21, "4e+21"), (None, "not a finite number")])
def test_a_model_that_diverged_is_named_with_the_cure(loss: float | None, said: str) -> None:
    figures = dict.fromkeys(PAPER_METRICS, 1.0) | {"labels_without_positives": 2}
    run = {"model": "neighborhood", "collection": "c", "split": 0, "test": figures, "config": {"lr": 1e6}}
    found = {"divergence": {"epoch": 3, "loss": loss, "start": 9.0}}
    assert "diverged" not in str(results_table(run, run).caption)
    for table in (results_table(run | found, run), results_table(run, run | found)):  # the model, or its baseline
        assert said in str(table.caption)
        assert "lower lr (now 1e+06)" in str(table.caption)
        assert "2 labels" in str(table.caption)
