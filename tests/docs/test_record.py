"""benchmarks/record.py: which record replaces which, and the pictures that are drawn of them."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    return import_module("record")


def entry(program: str, figures: dict[str, Any], **more: Any) -> dict[str, Any]:
    common = {"version": "0.3", "machine": "one", "cores": 2, "program": program, "arguments": ["--growth", "7"]}
    return {**common, "figures": figures, **more}


def lists(images: list[int], seconds: list[float]) -> dict[str, Any]:
    return {"images": images, **{kind: {"seconds": seconds} for kind in ("tags", "sets", "groups")}}


def test_a_record_replaces_that_of_the_same_version_and_machine(record: Any) -> None:
    old, other = entry("metrics.py", {"ours_s": 1}), entry("metrics.py", {"ours_s": 2}, version="0.2")
    new = entry("metrics.py", {"ours_s": 3})
    assert record.kept_with([old, other], new) == [other, new]
    fewer = entry("metrics.py", {"ours_s": 4}, cores=1)
    assert record.kept_with([old], fewer) == [old, fewer]


def test_pictures_are_drawn_of_records(record: Any, tmp_path: Path) -> None:
    entries = [
        entry("jaccard.py", lists([25_000, 50_000], [1.0, 3.5])),
        entry("jaccard.py", lists([100_000], [9.0])),
        entry("jaccard.py", lists([100_000], [17.0]), cores=1),
        entry("train_step.py", {"step_ms": 12.0}),
        entry("metrics.py", {"ours_s": 1}),
    ]
    for draw in (record.draw_images, record.draw_cores):
        draw(entries, tmp_path / "drawn.png")
        with Image.open(tmp_path / "drawn.png") as picture:
            assert picture.width > 800
            assert len(picture.convert("RGB").getcolors(1_000_000) or []) > 10
