"""The report after one command: the own run comes first, and nothing is called missing that cannot be there."""

import json
from pathlib import Path

import numpy as np
import pytest
from hydra import initialize_config_dir

from conftest import ROOT, made_up_table, write_made_up
from fixtures.report_runs import FakeRuns, table
from love_thy_neighbors.metrics import average_precision_per_label
from love_thy_neighbors.programs.experiments import Job, plan_of
from love_thy_neighbors.programs.start import register_resolvers
from love_thy_neighbors.report.build import Plans
from love_thy_neighbors.report.collected import stamp
from love_thy_neighbors.report.options import Options
from love_thy_neighbors.report.program import write_report
from love_thy_neighbors.runs.results import record_baseline

pytestmark = pytest.mark.xdist_group("first run")  # one process makes the runs of these tests


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images with tags, and without sets and groups."""
    table, features = made_up_table()
    return write_made_up(tmp_path_factory.mktemp("first") / "photos", table.drop_columns(["sets", "groups"]), features)


@pytest.fixture(scope="module")
def plans(collection: Path) -> Plans:
    register_resolvers()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        return Plans.of(["data=collection", f"data.dir={collection}", "h=8"])


def job_of(plans: Plans, model: str) -> Job:
    return next(job for job, _ in plans.experiments["table2"] if job.config["model"]["name"] == model)


def report_on(plans: Plans, logs: Path, out: Path) -> Path:
    write_report(plans, stamp([logs]), Options((logs,), out, (), watch=False))(None)
    return out


@pytest.fixture(scope="module")
def logs(plans: Plans, collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with neighbours by tags and its baseline, as after one command."""
    folder = tmp_path_factory.mktemp("logs")
    fake = FakeRuns(collection, folder)
    visual, ours = (fake.write(job_of(plans, model).config) for model in ("visual_only", "neighborhood"))
    record_baseline(ours, visual.name)
    return folder


@pytest.fixture(scope="module")
def out(plans: Plans, logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_on(plans, logs, tmp_path_factory.mktemp("out"))


def test_the_own_run_is_first_and_what_is_missing_is_last(out: Path) -> None:
    text = (out / "report.md").read_text()
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert headings[:2] == ["Your runs", "Your labels"]
    assert headings[-1] == "Not run yet"
    page = (out / "index.html").read_text()
    assert page.index('id="own_runs"') < page.index('id="table2"') < page.index('id="to-do"')
    ours, visual = table(out, "own_runs")
    assert ours["setting"].startswith("neighborhood, tags")
    assert ours["baseline"] == "visual_only"
    gain = float(ours["mAP_L"]) - float(visual["mAP_L"])
    assert float(ours["mAP_L, difference to its baseline [95 %]"]) == pytest.approx(gain, abs=2e-4)
    assert visual["baseline"] == "–"


def test_only_rows_with_a_finished_run_are_shown(out: Path) -> None:
    assert [row["method"] for row in table(out, "table2")] == [
        "CNN + logistic (visual-only)",
        "The model: tag neighbours",
    ]
    for path in out.glob("tables/*.csv"):
        if path.stem != "claims_missing":
            assert "0 of" not in path.read_text()
            assert "mean over 1" not in path.read_text()
    assert "mean over 1 splits" not in (out / "report.md").read_text()


def test_experiments_that_the_collection_cannot_have_are_not_missing(plans: Plans, out: Path) -> None:
    planned = {job.config["metadata"]["type"] for job, _ in plans.experiments["neighbor_types"]}
    assert planned == {"tags", "visual", "union"}
    configs = [job.config for job, _ in plans.experiments["metadata_generalization"]]
    pairs = [(config["metadata"]["type"], config["test_metadata"]["type"]) for config in configs]
    assert set(pairs) == {("tags", "tags")}
    text = (out / "report.md").read_text()
    assert "metadata=groups: split" not in text
    assert "has no groups" in text
    claims = {row["claim"] for name in ("claims", "claims_missing") for row in rows_or_none(out, name)}
    assert "Neighbours by tags > visual-only" in claims
    assert not [claim for claim in claims if "groups" in claim]


def rows_or_none(out: Path, name: str) -> list[dict[str, str]]:
    return table(out, name) if (out / "tables" / f"{name}.csv").is_file() else []


def test_a_sweep_of_an_experiment_leaves_them_out_with_the_reason(collection: Path) -> None:
    register_resolvers()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        made = plan_of("neighbor_types", ["data=collection", f"data.dir={collection}"])
    assert len(made.jobs) == 15
    assert sorted(made.lacking.values()) == [5, 5]
    assert all(str(collection) in reason for reason in made.lacking)


def test_labels_stand_from_best_to_worst_with_the_gain_of_each(out: Path, logs: Path, collection: Path) -> None:
    rows = table(out, "own_labels")
    precisions = [float(row["AP"]) for row in rows]
    assert len(rows) == 5
    assert precisions == sorted(precisions, reverse=True)
    for row in rows:
        assert float(row["gain"]) == pytest.approx(float(row["AP"]) - float(row["baseline"]), abs=2e-4)
    expected = precision_of(collection, next(logs.glob("*-neighborhood-*")))
    assert {row["label"]: float(row["AP"]) for row in rows} == pytest.approx(expected, abs=1e-3)
    helped, hurt = (rows_or_none(out, f"own_labels_{name}") for name in ("helped", "hurt"))
    assert [row["label"] for row in helped] == [
        row["label"] for row in sorted(rows, key=lambda row: -float(row["gain"])) if float(row["gain"]) > 0
    ]
    assert len(helped) + len(hurt) == sum(float(row["gain"]) != 0 for row in rows)
    assert all(float(row["gain"]) < 0 for row in hurt)


def precision_of(collection: Path, run: Path) -> dict[str, float]:
    """Average precision of each label in percent, from the files of a run."""
    import torch

    from love_thy_neighbors.collection.loading import load_collection

    loaded = load_collection(collection)
    labels = torch.from_numpy(loaded.labels[np.load(run / "rows.npy")].toarray())
    found = average_precision_per_label(torch.from_numpy(np.load(run / "scores.npy")), labels)
    return dict(zip(loaded.label_names, (100 * found).tolist(), strict=True))


def test_a_debug_run_is_no_result_of_an_experiment(plans: Plans, collection: Path, tmp_path: Path) -> None:
    """Its settings are those of an experiment's job but for the number of batches, which the trainer has."""
    fake = FakeRuns(collection, tmp_path / "logs")
    whole, config = fake.write(job_of(plans, "visual_only").config), job_of(plans, "neighborhood").config
    short = fake.write(config | {"trainer": config["trainer"] | {"limit_train_batches": 1}})
    out = report_on(plans, tmp_path / "logs", tmp_path / "out")
    assert [row["setting"] for row in table(out, "own_runs")] == ["visual_only"]
    assert [row["method"] for row in table(out, "table2")] == ["CNN + logistic (visual-only)"]
    page = (out / "index.html").read_text()
    assert short.name in page[page.index('id="left-out"') :]
    assert json.loads((whole / "results.json").read_text())["model"] == "visual_only"


def test_a_run_without_a_baseline_shows_its_labels_without_gains(
    plans: Plans, collection: Path, tmp_path: Path
) -> None:
    FakeRuns(collection, tmp_path / "logs").write(job_of(plans, "neighborhood").config)
    out = report_on(plans, tmp_path / "logs", tmp_path / "out")
    assert list(table(out, "own_labels")[0]) == ["label", "images", "AP", "AP std"]
    assert not (out / "tables" / "own_labels_helped.csv").exists()


def test_labels_are_those_of_the_newest_setting_with_its_name_in_full(
    plans: Plans, collection: Path, tmp_path: Path
) -> None:
    fake, config = FakeRuns(collection, tmp_path / "logs"), job_of(plans, "neighborhood").config
    first, second = (fake.write(config | {"epochs": epochs}) for epochs in (7, 8))
    fake.write(job_of(plans, "visual_only").config)  # without neighbours, and newer
    for name, newest in (("epochs=8", second), ("epochs=7", first)):
        (newest / "results.json").write_bytes((newest / "results.json").read_bytes())
        text = (report_on(plans, tmp_path / "logs", tmp_path / "out") / "report.md").read_text()
        caption = next(line for line in text.splitlines() if "from best to worst: of" in line)
        assert name in caption
