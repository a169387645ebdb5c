"""Mean, deviation and paired differences over splits."""

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from love_thy_neighbors import summary
from love_thy_neighbors.tables import PAPER_METRICS


def run(model: str, split: int, mAP_L: float, **config: Any) -> dict[str, Any]:
    figures = dict.fromkeys(PAPER_METRICS, 50.0) | {"mAP_L": mAP_L}
    return {
        "collection": "c",
        "model": model,
        "split": split,
        "test": figures,
        "config": {"split": split, "model": model} | config,
    }


NEIGHBORS = {
    "metadata": {"type": "tags"},
    "test_metadata": {"type": "sets"},
    "pool": "all",
    "m": 3,
    "M": 6,
    "neighborhoods": {"drop": 0},
}


def test_figures_are_averaged_and_paired() -> None:
    visual = [run("visual_only", split, value) for split, value in enumerate((60.0, 64.0, 62.0))]
    ours = [run("neighborhood", split, value, **NEIGHBORS) for split, value in ((0, 61.0), (2, 66.0))]
    table = summary.summary([*ours, *visual, {**run("visual_only", 0, 1.0), "collection": "other"}], "c").splitlines()
    assert table[0].startswith("| model | splits | mAP_L |")
    assert table[2].startswith("| visual_only | 3 | 62.00 ± 2.00 | 50.00 ± 0.00 |")
    gains = statistics.mean((1.0, 4.0)), statistics.stdev((1.0, 4.0))
    assert table[3].startswith("| neighborhood, tags -> sets, pool=all, m=3, M=6, drop=0 | 2 | 63.50 ± 3.54 |")
    assert table[3].endswith(f"| {gains[0]:.2f} ± {gains[1]:.2f} |")
    assert len(table) == 4


def test_settings_that_differ_are_not_averaged() -> None:
    runs = [run("visual_mlp", 0, 60.0, lr=1), run("visual_mlp", 1, 70.0, lr=2)]
    assert len(summary.by_setting(runs)) == 2
    assert "60.00 ± n/a" in summary.summary(runs, "c")


def test_the_program_prints_what_it_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["summary", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"no results.json below .* train first"):
        summary.main()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "results.json").write_text(json.dumps(run("visual_only", 0, 60.0)))
    summary.main()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "results.json").write_text('{"somebody": "else"}')
    summary.main()
    printed = capsys.readouterr()
    assert "60.00 ± n/a" in printed.out
    assert "b/results.json: not a result of train.py" in printed.err


def test_differences_are_between_runs_on_the_same_images_alone() -> None:
    by_image = [run("visual_only", 0, 60.0, split_by="image"), run("visual_mlp", 0, 61.0, split_by="image")]
    by_set = [run("visual_only", 0, 40.0, split_by="set"), run("visual_mlp", 0, 42.0, split_by="set")]
    table = summary.summary([*by_image, *by_set, run("visual_mlp", 1, 50.0, split_by="image", lr=2)], "c")
    assert sorted(line.split("|")[-2].strip() for line in table.splitlines()[2:]) == [
        "",
        "",
        "",
        "1.00 ± n/a",
        "2.00 ± n/a",
    ]
