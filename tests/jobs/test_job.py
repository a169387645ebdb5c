"""A whole job in this process: what it writes, resumption after a kill, and that no label leaks."""

import csv
import errno
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from conftest import checked, made_up_table, settings, write_made_up
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.jobs.build import make_data
from love_thy_neighbors.jobs.job import finish, train_and_compare
from love_thy_neighbors.metrics import annotation_metrics
from love_thy_neighbors.runs.identity import run_name
from love_thy_neighbors.runs.model_folder import load_model
from love_thy_neighbors.runs.results import read_results
from love_thy_neighbors.runs.settings import Settings, settings_of
from love_thy_neighbors.training import snapshots
from love_thy_neighbors.training.snapshots import Snapshots


def quick(folder: Path, *overrides: str) -> Settings:
    """Settings of a job of seconds on a made-up collection, its files beside ``folder``."""
    common = (
        "data=collection",
        f"data.dir={folder}",
        f"cache={folder.parent}/cache",
        "h=8",
        "epochs=4",
        "trainer.enable_progress_bar=false",
    )
    return checked(settings(*common, *overrides))


def do(config: Settings, folder: Path, **how: bool) -> dict[str, Any]:
    return finish(config, folder, **({"overwrite": False, "resume": False, "wait": False} | how))


def comparable(results: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in results.items() if key != "wall_time_s"}


def test_a_job_leaves_everything_and_its_figures_are_those_of_its_scores(made_up: Path, tmp_path: Path) -> None:
    results = do(quick(made_up), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.yaml", "last.ckpt", "metrics.csv", "model", "scores.npy", "rows.npy", "neighbors.npy",
        "results.json", ".lock",
    }  # fmt: skip
    collection = load_collection(made_up)
    scores, rows = np.load(tmp_path / "scores.npy"), np.load(tmp_path / "rows.npy")
    labels = torch.from_numpy(collection.labels[rows].toarray())
    assert results["test"] == pytest.approx(annotation_metrics(torch.from_numpy(scores), labels))
    curves = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [int(line["epoch"]) for line in curves] == [0, 1, 2, 3]
    best = max(curves, key=lambda line: float(line["val/mAP_L"]))
    assert int(best["epoch"]) == results["best_epoch"]
    assert float(best["val/mAP_L"]) == pytest.approx(results["val"]["mAP_L"])


def test_the_saved_model_gives_the_saved_scores(made_up: Path, tmp_path: Path) -> None:
    config = quick(made_up)
    do(config, tmp_path)
    model, about = load_model(tmp_path / "model")
    data = make_data(config)
    assert about["labels"] == list(data.collection.label_names)
    lists = data.lists("test")
    assert lists is not None
    z = torch.from_numpy(lists.astype(np.int64))
    rows = torch.from_numpy(np.load(tmp_path / "rows.npy"))
    from functools import partial

    from love_thy_neighbors.neighborhoods import expected_max

    cpu = torch.device("cpu")
    with torch.no_grad():
        scores = model(
            data.features.gather(rows, cpu),
            data.features.gather(z, cpu),
            z >= 0,
            partial(expected_max, m=3),
        )
    torch.testing.assert_close(scores, torch.from_numpy(np.load(tmp_path / "scores.npy")), rtol=1e-4, atol=1e-5)


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the program catches it."""


@pytest.mark.parametrize(
    "overrides", [(), ("neighborhoods.train=exact", "neighborhoods.test=10"), ("model=visual_mlp",)]
)
@pytest.mark.parametrize("moment", ["before the checkpoint", "after the checkpoint", "after training"])
def test_a_killed_job_that_is_resumed_ends_like_one_that_was_not(
    made_up: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    overrides: tuple[str, ...],
    moment: str,
) -> None:
    config = quick(made_up, *overrides)
    uncut = do(config, tmp_path / "uncut")
    if moment == "after training":
        monkeypatch.setattr("love_thy_neighbors.jobs.train.keep_model", _kill)
    else:
        _kill_in_epoch(monkeypatch, epoch=2, before=moment == "before the checkpoint")
    with pytest.raises(Killed):
        do(config, tmp_path / "cut")
    assert not (tmp_path / "cut" / "results.json").exists()
    monkeypatch.undo()
    resumed = do(config, tmp_path / "cut", resume=True)
    assert comparable(resumed) == comparable(uncut)
    for name in ("metrics.csv", "scores.npy", "rows.npy"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "uncut" / name).read_bytes()


def _kill(*_: object, **__: object) -> None:
    raise Killed


def _kill_in_epoch(monkeypatch: pytest.MonkeyPatch, epoch: int, before: bool) -> None:
    save = Snapshots.on_train_epoch_end

    def dying(self: Snapshots, trainer: Any, task: Any) -> None:
        if trainer.current_epoch == epoch and before:
            raise Killed
        save(self, trainer, task)
        if trainer.current_epoch == epoch:
            raise Killed

    monkeypatch.setattr(Snapshots, "on_train_epoch_end", dying)


def test_a_finished_job_is_not_done_again_unless_asked(
    made_up: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = quick(made_up, "epochs=1")
    first = do(config, tmp_path)
    stamp = (tmp_path / "results.json").stat().st_mtime_ns
    assert do(config, tmp_path) == first
    assert "Already finished" in capsys.readouterr().out
    assert (tmp_path / "results.json").stat().st_mtime_ns == stamp
    assert comparable(do(config, tmp_path, overwrite=True)) == comparable(first)
    assert (tmp_path / "results.json").stat().st_mtime_ns != stamp


def test_ckpt_path_goes_on_from_another_run(made_up: Path, tmp_path: Path) -> None:
    do(quick(made_up, "epochs=2"), tmp_path / "short")
    longer = quick(made_up, "epochs=4", f"ckpt_path={tmp_path}/short/last.ckpt")
    results = do(longer, tmp_path / "longer")
    assert results["test"] == do(quick(made_up, "epochs=4"), tmp_path / "whole")["test"]
    assert (tmp_path / "short" / "results.json").exists()


def test_settings_of_the_optimiser_are_the_config_s_not_the_checkpoint_s(made_up: Path, tmp_path: Path) -> None:
    do(quick(made_up, "epochs=2"), tmp_path / "short")
    still = quick(made_up, "epochs=3", "lr=1e-12", "l2=0", f"ckpt_path={tmp_path}/short/last.ckpt")
    do(still, tmp_path / "still")
    before, after = (torch.load(tmp_path / run / "last.ckpt", weights_only=True) for run in ("short", "still"))
    assert [group["lr"] for group in after["optimizer_states"][0]["param_groups"]] == [1e-12, 1e-12]
    for key, value in before["state_dict"].items():
        torch.testing.assert_close(after["state_dict"][key], value)


def test_a_damaged_checkpoint_in_the_run_s_own_folder_is_no_obstacle(
    made_up: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "config.yaml").write_text("measure: annotation\ndata: {}\n")
    (tmp_path / "last.ckpt").write_bytes(b"half a checkp")
    results = do(quick(made_up, "epochs=1"), tmp_path, resume=True)
    assert results["best_epoch"] == 0
    assert "damaged, or not a plain checkpoint" in caplog.text
    assert "Starting from the first epoch" in caplog.text


def test_the_checkpoint_does_not_need_the_system_s_temporary_folder(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    do(quick(made_up, "epochs=2"), tmp_path)
    assert set(torch.load(tmp_path / "last.ckpt", weights_only=True)) >= {"state_dict", "loops", "callbacks"}
    assert not list(tmp_path.glob("*.tmp"))


def test_a_checkpoint_that_does_not_fit_leaves_the_one_before(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve, asked = snapshots.reserve, list[int]()

    def full(path: Path, size: int) -> None:
        asked.append(size)
        if len(asked) == 2:
            raise OSError(errno.ENOSPC, "full", str(path))
        reserve(path, size)

    with monkeypatch.context() as patched, pytest.raises(OSError, match="full") as found:
        patched.setattr(snapshots, "reserve", full)
        do(quick(made_up), tmp_path)
    assert found.value.filename == str(tmp_path / "last.ckpt")
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 0
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "config.yaml", "metrics.csv", "last.ckpt"}
    resumed = do(quick(made_up), tmp_path, resume=True)
    whole = do(quick(made_up), tmp_path / "whole")
    assert comparable(resumed) == comparable(whole)


def test_overfitting_sees_the_same_batches_again(made_up: Path, tmp_path: Path) -> None:
    config = quick(made_up, "debug=overfit", "epochs=150", "h=32", "lr=5e-3")
    do(config, tmp_path)
    losses = [float(line["train/loss"]) for line in csv.DictReader((tmp_path / "metrics.csv").open())]
    assert losses[-1] < 0.05 * losses[0]


def test_a_second_process_does_not_do_the_same_job(made_up: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(UserError, match="another process is doing this very job"),
    ):
        do(quick(made_up), tmp_path)


@pytest.mark.parametrize("pool", ["split", "all"])
def test_test_labels_change_no_score(tmp_path: Path, pool: str) -> None:
    table, features = made_up_table()
    plain_folder = write_made_up(tmp_path / "plain" / "c", table, features)
    config = quick(plain_folder, f"pool={pool}")
    do(config, tmp_path / "run")
    test = make_data(config).split.rows["test"]
    labels = table["labels"].to_pylist()
    shuffled = dict(zip(test, np.random.default_rng(0).permutation(test), strict=True))
    permuted = [labels[shuffled.get(row, row)] for row in range(len(labels))]
    changed = table.set_column(
        table.schema.get_field_index("labels"), "labels", pa.array(permuted, pa.list_(pa.string()))
    )
    assert changed != table
    other = quick(write_made_up(tmp_path / "permuted" / "c", changed, features), f"pool={pool}")
    do(other, tmp_path / "other")
    for name in ("scores.npy", "rows.npy"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


@pytest.mark.parametrize("kind", ["tags", "sets", "groups", "visual"])
def test_neighbours_are_of_the_image_s_own_part(made_up: Path, kind: str) -> None:
    data = make_data(quick(made_up, f"metadata={kind}"))
    for part in ("train", "val", "test"):
        lists, rows = data.lists(part), data.split.rows[part]
        assert lists is not None
        assert np.isin(lists[lists >= 0], rows).all()
        assert not (lists == rows[:, None]).any()
    everyone = make_data(quick(made_up, f"metadata={kind}", "pool=all", "M=20"))
    lists = everyone.lists("test")
    assert lists is not None
    assert np.isin(lists[lists >= 0], everyone.split.rows["train"]).any()


def test_unlabelled_images_are_neighbours_only(tmp_path: Path) -> None:
    table, features = made_up_table()
    labels = [[] if i % 4 == 0 else row for i, row in enumerate(table["labels"].to_pylist())]
    table = table.set_column(table.schema.get_field_index("labels"), "labels", pa.array(labels, pa.list_(pa.string())))
    folder = write_made_up(tmp_path / "c", table, features)
    data = make_data(quick(folder, "keep_unlabelled=true"))
    for part in ("train", "val", "test"):
        lists = data.lists(part)
        assert lists is not None
        assert (data.split.rows[part] % 4 != 0).all()
        assert (lists[lists >= 0] % 4 == 0).any()
    without = make_data(quick(folder)).lists("train")
    assert without is not None
    assert (without[without >= 0] % 4 != 0).all()


def test_random_filling_leaves_no_gap_and_never_the_image_itself(made_up: Path) -> None:
    data = make_data(quick(made_up, "metadata=sets", "neighborhoods.fill=random"))
    short = make_data(quick(made_up, "metadata=sets")).lists("test")
    lists, rows = data.lists("test"), data.split.rows["test"]
    assert lists is not None
    assert short is not None
    assert (short < 0).any()
    assert (lists >= 0).all()
    assert not (lists == rows[:, None]).any()
    assert np.isin(lists, rows).all()
    assert np.array_equal(lists[short >= 0], short[short >= 0])


def test_random_filling_draws_from_every_part_with_pool_all(made_up: Path) -> None:
    config = quick(made_up, "metadata=sets", "neighborhoods.fill=random", "pool=all")
    data, short = make_data(config), make_data(quick(made_up, "metadata=sets", "pool=all")).lists("test")
    lists = data.lists("test")
    assert lists is not None
    assert short is not None
    drawn = lists[short < 0]
    for part in ("train", "val", "test"):
        assert np.isin(drawn, data.split.rows[part]).any()


def test_a_run_that_diverges_says_so(made_up: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="training diverged: .* lower lr"):
        do(quick(made_up, "lr=1e30", "l2=1e30"), tmp_path)
    assert not (tmp_path / "results.json").exists()


def test_a_loss_that_grows_is_in_the_table_and_in_the_results(
    made_up: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = quick(made_up, "lr=1e6", "test_metadata=sets", "baseline=null", f"logs={tmp_path}")
    folder = tmp_path / run_name(config)
    train_and_compare(config, folder, None, wait=False)
    trained = next(path for path in tmp_path.iterdir() if path != folder and (path / "results.json").is_file())
    curves = [float(line["train/loss"]) for line in csv.DictReader((trained / "metrics.csv").open())]
    for place in (trained, folder):  # a run that tests another one's model says it, too
        found = read_results(place)["divergence"]
        assert found["loss"] == max(curves) == curves[found["epoch"]]
    table = " ".join(capsys.readouterr().out.split())
    assert "diverged" in table
    assert f"epoch {found['epoch'] + 1}" in table
    assert "lower lr (now 1e+06)" in table
    assert "divergence" not in do(quick(made_up, "epochs=1"), tmp_path / "usual")


def test_damaged_results_are_told(made_up: Path, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"val": ')
    with pytest.raises(UserError, match="not a readable result .* overwrite=true"):
        do(quick(made_up), tmp_path)


def test_a_collection_in_a_folder_named_by_a_year(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made_up, tmp_path / "2019")
    monkeypatch.chdir(tmp_path)
    config = settings_of(settings("data=collection", "data.dir=2019", "cache=2020", "logs=2021"))
    assert (config.collection.folder, config.neighbors.cache, config.logs) == (Path("2019"), Path("2020"), Path("2021"))
    assert len(make_data(config).collection) == 240


def test_the_collection_may_move_but_not_change(made_up: Path, tmp_path: Path) -> None:
    from love_thy_neighbors.runs.identity import run_name

    moved = tmp_path / "moved"
    shutil.copytree(made_up, moved)
    assert run_name(quick(moved)) == run_name(quick(made_up))
    card = json.loads((moved / "card.json").read_text())
    (moved / "card.json").write_text(json.dumps(card | {"licence": "another"}))
    assert run_name(quick(moved)) != run_name(quick(made_up))


def test_a_run_records_the_folder_of_its_own_baseline(made_up: Path, tmp_path: Path) -> None:
    """Two trials with other epochs have a baseline each; a run without one records none."""
    recorded = {}
    for epochs in (1, 2):
        given = (f"logs={tmp_path}", f"epochs={epochs}")
        ours, baseline = quick(made_up, *given), quick(made_up, *given, "model=visual_only", "baseline=null")
        folder = tmp_path / run_name(ours)
        for _ in range(2):  # the second time both are found finished
            train_and_compare(ours, folder, baseline, wait=False)
            recorded[epochs] = read_results(folder)["baseline_run"]
            assert recorded[epochs] == run_name(baseline)
            assert read_results(tmp_path / recorded[epochs])["config"]["epochs"] == epochs
            assert "baseline_run" not in read_results(tmp_path / recorded[epochs])
    assert recorded[1] != recorded[2]


def test_a_finished_run_without_the_key_gets_it_when_its_command_is_given_again(made_up: Path, tmp_path: Path) -> None:
    config = quick(made_up, f"logs={tmp_path}", "epochs=1")
    before = do(config, tmp_path / "run")
    after = finish(config, tmp_path / "run", overwrite=False, resume=False, wait=False, baseline_run="visual")
    assert after == before | {"baseline_run": "visual"}
    changed = (tmp_path / "run" / "results.json").stat().st_mtime_ns
    finish(config, tmp_path / "run", overwrite=False, resume=False, wait=False, baseline_run="visual")
    assert (tmp_path / "run" / "results.json").stat().st_mtime_ns == changed
