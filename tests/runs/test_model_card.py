"""runs/model_card.py: names of labels and collections in the card of a model folder."""

from typing import Any

from love_thy_neighbors.runs.model_card import LabelFigures, model_card
from love_thy_neighbors.visible import visible

DESCRIPTION: dict[str, Any] = {
    "model": {"name": "neighborhood"},
    "labels": ["a\x1b[31m|b\nc"],
    "neighbours": None,
    "backbone": {"name": "b", "dim": 3},
    "trained_on": {"run": "run", "collection": "mine\n\x1b[2J# All is well", "split": 0, "date": "2026-01-01"},
}


def test_control_characters_of_names_are_escapes() -> None:
    found = {"suggestions": {"precision": None, "coverage": None, "suggested": 0}, "precision": 0.9}
    label = LabelFigures(DESCRIPTION["labels"][0], 1, None, None, 0, None, None)
    card = model_card(DESCRIPTION, {"mAP_L": 1.0, "mAP_I": 2.0}, found, [label], "mine\rall")
    assert visible(card) == card
    assert "| a\\x1b[31m\\|b\\nc | 1 |" in card.splitlines()[-1]
    assert not any(line.startswith("# All") for line in card.splitlines())
