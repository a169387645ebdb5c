"""Reading results, matching them with jobs, and the messages about the others."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.programs.experiments import Job
from love_thy_neighbors.report.collected import Result, collect, stamp
from love_thy_neighbors.report.diverged import diverged
from love_thy_neighbors.report.document import Gap
from love_thy_neighbors.report.matching import match, missing_runs
from love_thy_neighbors.runs.printing import METRICS

FIXTURES = ROOT / "tests" / "fixtures" / "report"
GOOD = json.loads((FIXTURES / "finished" / "results.json").read_text())


def test_other_files_are_left_out_with_their_path_and_key() -> None:
    results, messages = collect(stamp([FIXTURES]))
    assert [result.folder.name for result in results] == ["finished"]
    keys = {
        "a-list": "",
        "empty": "JSON",
        "half": "JSON",
        "of-another-program": "",
        "without-test": "'test'",
        "without-versions": "'versions'",
    }
    assert len(messages) == len(keys)
    for message, (folder, key) in zip(messages, keys.items(), strict=True):
        assert str(FIXTURES / folder / "results.json") in message
        assert key in message


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "\ud800".encode("utf-16", "surrogatepass"),
        json.dumps(GOOD | {"measure": "taste"}),
        json.dumps(GOOD | {"config": {"data": None}}),
        json.dumps(GOOD | {"measure": "statistics", "statistics": 3}),
        json.dumps(GOOD | {"versions": ["torch"]}),
        json.dumps(GOOD | {"wall_time_s": None}),
        json.dumps(GOOD | {"baseline_run": ["a"]}),
    ],
)  # fmt: skip
def test_no_content_of_a_file_raises(tmp_path: Path, text: str | bytes) -> None:
    (tmp_path / "results.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    results, messages = collect(stamp([tmp_path]))
    assert not results
    (message,) = messages
    assert str(tmp_path / "results.json") in message


def test_runs_that_diverged_are_named(tmp_path: Path) -> None:
    found = {"epoch": 3, "loss": 4e21, "start": 9.0}
    for name, content in {
        "a": GOOD,
        "b": GOOD | {"divergence": found, "config": GOOD["config"] | {"lr": 0.01}},
        "c": GOOD | {"divergence": None},
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(content))
    results, messages = collect(stamp([tmp_path]))
    assert messages == []
    assert [one.divergence for one in results] == [None, found, None]
    (message,) = diverged(results)
    assert "b (lr=0.01)" in message
    assert diverged(results[:1]) == []


def test_every_folder_is_searched_once(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "finished", tmp_path / "a" / "b" / "run")
    assert len(stamp([tmp_path, tmp_path / "a"])) == 1


def config(split: int, model: str = "visual_only", **more: Any) -> dict[str, Any]:
    """The part of an identity that matching reads."""
    data = {"name": "c", "split_sizes": [0.5, 0.25, 0.25], "fingerprint": "new"}
    return {
        "model": {"name": model},
        "split": split,
        "data": data,
        "trainer": {"accelerator": "cpu"},
        "ckpt_path": None,
    } | more


def result(settings: dict[str, Any], mAP_L: float = 60.0, changed: int = 0, name: str = "run") -> Result:
    figures = dict.fromkeys(METRICS, mAP_L)
    return Result(Path("/logs") / name, changed, "annotation", "c", settings, {}, 1.0, figures, {})


def plan(*settings: dict[str, Any]) -> list[tuple[Job, dict[str, Any]]]:
    return [(Job((f"model={one['model']['name']}", f"split={one['split']}"), one), one) for one in settings]


def test_a_result_has_the_name_of_its_own_baseline_if_it_was_recorded(tmp_path: Path) -> None:
    for name, content in {"a": GOOD, "b": GOOD | {"baseline_run": "c-visual_only"}}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(content))
    assert [one.baseline_run for one in collect(stamp([tmp_path]))[0]] == [None, "c-visual_only"]


def test_the_splits_of_a_row_are_those_that_its_mean_is_taken_over() -> None:
    """A split counts although one of its seeds has no run yet; without any run the cell says so."""
    plans = {"mine": plan(*(config(split) | {"seed": seed} for split in (0, 1) for seed in (0, 1)))}
    runs = match(plans, [result(config(1) | {"seed": 0})]).experiments["mine"]
    assert (runs.splits, list(runs.values("mAP_L"))) == ("1 of 2", [1])
    assert match(plans, []).experiments["mine"].splits is Gap.MISSING


def test_a_job_finds_its_result_whatever_device_it_ran_on() -> None:
    on_gpu = config(0) | {"trainer": {"accelerator": "gpu"}}
    matched = match({"table2": plan(config(0), config(1))}, [result(on_gpu, 61.0), result(config(1, lr=2), 99.0)])
    runs = matched.experiments["table2"]
    assert runs.values("mAP_L") == {0: 61.0}
    assert [other.figures["mAP_L"] for other in matched.others] == [99.0]
    assert runs.splits == "1 of 2"
    assert not matched.messages


def test_a_run_from_a_checkpoint_matches_no_job() -> None:
    matched = match({"table2": plan(config(0))}, [result(config(0, ckpt_path="fingerprint"))])
    assert not matched.experiments["table2"].results
    assert len(matched.others) == 1


def test_of_two_results_the_newer_counts_and_the_other_is_named() -> None:
    found = [result(config(0), 1.0, changed=2, name="new"), result(config(0), 2.0, changed=1, name="old")]
    matched = match({"table2": plan(config(0))}, found)
    assert matched.experiments["table2"].values("mAP_L") == {0: 1.0}
    assert not matched.others
    (message,) = matched.messages
    assert message.startswith("/logs/old: ")
    assert "new" in message


def test_another_version_of_the_collection_is_named() -> None:
    old = config(0)
    old["data"] = old["data"] | {"fingerprint": "old"}
    matched = match({"table2": plan(config(0))}, [result(old)])
    assert not matched.experiments["table2"].results
    assert len(matched.others) == 1
    (message,) = matched.messages
    assert "/logs/run" in message
    assert "old instead of new" in message


def test_missing_runs_are_listed_by_setting_with_their_command() -> None:
    plans = {"table2": plan(config(0), config(1), config(0, "visual_mlp"), config(1, "visual_mlp"))}
    runs = match(plans, [result(config(0))]).experiments["table2"]
    missing = missing_runs("table2", runs, ("data=openclipart",))
    assert missing is not None
    assert (missing.found, missing.planned) == (1, 4)
    assert missing.command == "python train.py -m experiment=table2"
    assert missing.settings == ("model=visual_only: split 1", "model=visual_mlp: split 0, 1")
    elsewhere = missing_runs("table2", runs, ("data=collection", "data.dir=/my photos"))
    assert elsewhere is not None
    assert elsewhere.command == "python train.py -m experiment=table2 data=collection 'data.dir=/my photos'"
    complete = match(plans, [result(one) for _, one in plans["table2"]]).experiments["table2"]
    assert missing_runs("table2", complete, ()) is None


def test_unplanned_runs_give_a_dash_and_unfinished_ones_missing() -> None:
    runs = match({"table2": plan(config(0), config(0, "visual_mlp"))}, [result(config(0))]).experiments["table2"]
    visual, mlp, none = (
        runs.where(lambda c, m=m: c["model"]["name"] == m) for m in ("visual_only", "visual_mlp", "other")
    )
    assert visual.estimate("mAP_L") == Estimate(60.0, None, 1)
    assert mlp.estimate("mAP_L") == mlp.minus(visual) == Gap.MISSING
    assert none.estimate("mAP_L") == none.minus(visual) == none.splits == Gap.NONE
