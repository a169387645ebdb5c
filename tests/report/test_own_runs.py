"""The table of the own runs: each beside its own baseline, and its settings where they differ."""

from pathlib import Path
from typing import Any

import pytest

from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.document import Gap, Table
from love_thy_neighbors.report.estimates import Difference, estimate_of
from love_thy_neighbors.report.others import own_runs
from love_thy_neighbors.report.own_baseline import Baselines
from love_thy_neighbors.report.shortened import limits, without_shortened
from love_thy_neighbors.runs.printing import METRICS

NEIGHBORS: dict[str, Any] = {
    "metadata": {"type": "tags"},
    "test_metadata": {"type": "sets"},
    "pool": "all",
    "m": 3,
    "M": 6,
    "neighborhoods": {"drop": 0},
}
DESCRIBED = "neighborhood, tags to sets, pool=all, m=3, M=6, drop=0"


def config(split: int, model: str = "visual_only", **more: Any) -> dict[str, Any]:
    data = {"name": "c", "split_sizes": [0.5, 0.25, 0.25], "fingerprint": "new"}
    return {"measure": "annotation", "model": {"name": model}, "split": split, "data": data} | more


def result(
    name: str,
    settings: dict[str, Any],
    mAP_L: float,
    baseline: str | None = None,
    place: str = "/logs",
    changed: int = 0,
) -> Result:
    figures = dict.fromkeys(METRICS, mAP_L)
    collection = settings["data"]["name"]
    folder = Path(place) / name
    return Result(folder, changed, "annotation", collection, settings, {}, 1.0, figures, {}, None, baseline)


def table_of(runs: list[Result], planned: tuple[dict[str, Any], ...] = ()) -> Table:
    table = own_runs(runs, Baselines(runs), planned, "c")
    assert table is not None
    return table


def ours(split: int, **more: Any) -> dict[str, Any]:
    return config(split, "neighborhood", **NEIGHBORS, **more)


def test_a_run_is_compared_with_its_own_baseline_and_never_with_another() -> None:
    """Trials with epochs=5 had the baseline of the long run, which gave +18 in place of +3."""
    runs = [
        result("long", ours(0, epochs=60), 63.5, "visual-60"),
        result("visual-60", config(0, epochs=60), 60.0),
        result("short", ours(0, epochs=5), 53.0, "visual-5"),
        result("visual-5", config(0, epochs=5), 50.0),
        result("without", ours(0, epochs=7), 54.0),
    ]
    rows = {str(row.cells[0]): row.cells[-2:] for row in table_of(runs).rows}
    assert rows[f"{DESCRIBED}, epochs=60"] == (Difference(3.5, None, None, 1, 1), "visual_only")
    assert rows[f"{DESCRIBED}, epochs=5"] == (Difference(3.0, None, None, 1, 1), "visual_only")
    assert rows[f"{DESCRIBED}, epochs=7"] == (Gap.NONE, Gap.NONE)
    assert rows["visual_only, epochs=60"] == (Gap.NONE, Gap.NONE)


def test_a_baseline_that_has_not_finished_gives_a_dash() -> None:
    rows = table_of([result("one", ours(0), 63.5, "gone"), result("visual", config(0), 60.0)]).rows
    assert [row.cells[-2] for row in rows] == [Gap.NONE, Gap.NONE]


def test_runs_are_averaged_where_nothing_but_the_split_differs() -> None:
    visual = [result(f"v{split}", config(split), value) for split, value in enumerate((60.0, 64.0, 62.0))]
    runs = [result(f"o{split}", ours(split), value, f"v{split}") for split, value in ((0, 61.0), (2, 66.0))]
    rows = table_of([*runs, *visual]).rows
    assert [row.cells[:4] for row in rows] == [
        (DESCRIBED, "c", 2, estimate_of([61.0, 66.0])),
        ("visual_only", "c", 3, estimate_of([60.0, 64.0, 62.0])),
    ]
    gain = rows[0].cells[-2]
    assert isinstance(gain, Difference)
    assert (gain.mean, gain.n) == (2.5, 2)


def test_a_difference_over_some_of_the_splits_says_so() -> None:
    runs = [result("o0", ours(0), 61.0, "v0"), result("o1", ours(1), 70.0), result("v0", config(0), 60.0)]
    (row, _) = table_of(runs).rows
    assert row.cells[2] == 2
    assert row.cells[-2] == Difference(1.0, None, None, 1, 1)
    assert "1 run of 2" in str(row.cells[-1])


def test_a_baseline_is_named_and_may_be_another_model() -> None:
    runs = [result("o", ours(0), 61.0, "b"), result("b", config(0, "visual_mlp"), 60.0)]
    assert table_of(runs).rows[0].cells[-1] == "visual_mlp"


def test_of_baselines_with_one_name_the_one_beside_the_run_counts() -> None:
    beside = result("v", config(0), 60.0, place="/a")
    newer = result("v", config(0), 10.0, place="/b", changed=9)
    run = result("o", ours(0), 61.0, "v", place="/a")
    assert Baselines([newer, beside, run]).of(run) is beside
    assert Baselines([newer]).of(run) is newer


def test_rows_with_one_name_show_in_what_they_differ_and_in_nothing_else() -> None:
    runs = [
        result("a", config(0, lr=0.1, l2=1) | {"model": {"name": "visual_only", "arguments": {"h": 8}}}, 61.0),
        result("b", config(0, lr=0.2, l2=1) | {"model": {"name": "visual_only", "arguments": {"h": 9}}}, 60.0),
        result("c", config(0, lr=0.3, l2=1) | {"data": config(0)["data"] | {"name": "d"}}, 59.0),
    ]
    assert [row.cells[0] for row in table_of(runs).rows] == [
        "visual_only, model.arguments.h=8, lr=0.1",
        "visual_only, model.arguments.h=9, lr=0.2",
        "visual_only",
    ]


def test_a_setting_that_is_not_the_usual_one_stands_in_the_name() -> None:
    usual = (ours(0, epochs=40, seed=0), ours(0, epochs=40, seed=0, overlap=0.5))
    (row,) = table_of([result("a", ours(1, epochs=5, seed=0), 61.0)], usual).rows
    assert row.cells[0] == f"{DESCRIBED}, epochs=5"
    (row,) = table_of([result("a", ours(1, epochs=40, seed=0), 61.0)], usual).rows
    assert row.cells[0] == DESCRIBED


def test_the_device_does_not_make_another_setting_but_precision_does() -> None:
    def on(device: str, precision: str, split: int) -> Result:
        trainer = {"accelerator": device, "precision": precision}
        return result(f"{device}{precision}", config(split, trainer=trainer), 60.0)

    assert [row.cells[2] for row in table_of([on("cpu", "32-true", 0), on("gpu", "32-true", 1)]).rows] == [2]
    rows = table_of([on("cpu", "32-true", 0), on("gpu", "16-mixed", 1)]).rows
    assert {row.cells[0] for row in rows} == {
        "visual_only, trainer.precision=32-true",
        "visual_only, trainer.precision=16-mixed",
    }


@pytest.mark.parametrize(
    ("trainer", "cut"),
    [
        ({}, []),
        ({"limit_train_batches": 1.0, "limit_val_batches": None, "overfit_batches": 0.0, "max_steps": -1}, []),
        ({"limit_train_batches": 1}, ["limit_train_batches"]),  # one batch, where 1.0 is all of them
        ({"limit_test_batches": 0.1, "limit_val_batches": 5}, ["limit_val_batches", "limit_test_batches"]),
        ({"overfit_batches": 2, "max_steps": 3}, ["overfit_batches", "max_steps"]),
        ({"fast_dev_run": True, "max_time": "00:00:01:00"}, ["fast_dev_run", "max_time"]),
    ],
)
def test_a_run_that_saw_a_part_of_the_images_is_known(trainer: dict[str, Any], cut: list[str]) -> None:
    assert list(limits({"trainer": trainer})) == cut


def test_shortened_runs_are_left_out_and_named() -> None:
    whole = result("whole", config(0, trainer={"limit_train_batches": 1.0}), 60.0)
    short = [result(f"try{n}", config(n, trainer={"limit_test_batches": 1}), 90.0) for n in range(2)]
    kept, (message,) = without_shortened([whole, *short])
    assert kept == [whole]
    assert all(word in message for word in ("try0", "try1", "trainer.limit_test_batches"))
    assert without_shortened([whole]) == ([whole], [])


def test_the_runs_of_the_reports_collection_come_first() -> None:
    other = config(0) | {"data": config(0)["data"] | {"name": "a"}}
    rows = table_of([result("other", other, 90.0), result("ours", config(0), 60.0)]).rows
    assert [row.cells[1] for row in rows] == ["c", "a"]
    assert own_runs([], Baselines([]), (), "c") is None


def test_a_callback_is_named_in_one_word_and_its_settings_only_where_two_runs_with_it_differ() -> None:
    def stopped(patience: int) -> dict[str, Any]:
        return {"early_stopping": {"_target_": "EarlyStopping", "mode": "max", "patience": patience}}

    runs = [
        result("plain", config(0), 60),
        result("five", config(0, callbacks=stopped(5)), 59),
        result("nine", config(0, callbacks=stopped(9)), 58),
    ]
    assert [row.cells[0] for row in table_of(runs).rows] == [
        "visual_only, callbacks=none",
        "visual_only, callbacks.early_stopping.patience=5, callbacks=early_stopping",
        "visual_only, callbacks.early_stopping.patience=9, callbacks=early_stopping",
    ]
