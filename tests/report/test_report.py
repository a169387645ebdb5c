"""The whole report, from made-up results of every experiment on the made-up collection."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hydra import initialize_config_dir

from conftest import ROOT
from fixtures.report_runs import HOSTILE, FakeRuns, table, write_pictured
from love_thy_neighbors.programs import experiments
from love_thy_neighbors.programs.experiments import experiment_names
from love_thy_neighbors.programs.start import register_resolvers
from love_thy_neighbors.report import sections
from love_thy_neighbors.report.build import Plans, found_sections
from love_thy_neighbors.report.collected import stamp
from love_thy_neighbors.report.options import Options
from love_thy_neighbors.report.program import write_report
from love_thy_neighbors.runs.identity import run_name
from love_thy_neighbors.runs.settings import settings_of

pytestmark = pytest.mark.xdist_group("report")  # one process makes the runs of these tests

FIGURES = {
    "precision_recall",
    "ap_scatter",
    "gain_by_frequency",
    "examples",
    "learned_weights",
    "moved_most",
    "learned_weights_relational",
    "moved_most_relational",
    "hyperparameters",
    "label_correlation",
    "label_correlation_by_label",
    "vocabulary_overlap",
    "reliability",
}


# The settings of the relational model's row from which the others differ in one thing.
USUAL: dict[str, object] = {
    **{"model": "relational", "pool": "split", "overlap": None, "rename_test": False, "relations": None, "views": 0.3},
    **{"thin": "auto", "lambda": 0.3, "members": 1, "loss": "logistic", "metadata": "all", "test": "all"},
}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictured(tmp_path_factory.mktemp("report") / "collection")


def overrides_for(collection: Path) -> list[str]:
    return ["data=collection", f"data.dir={collection}", "h=8"]


@pytest.fixture(scope="module")
def plans(collection: Path) -> Plans:
    """The jobs of every experiment."""
    register_resolvers()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        return Plans.of(overrides_for(collection))


@pytest.fixture(scope="module")
def logs(plans: Plans, collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folders of every experiment, all finished."""
    folder = tmp_path_factory.mktemp("logs")
    fake = FakeRuns(collection, folder)
    for plan in plans.experiments.values():
        for job, _ in plan:
            fake.write(job.config)
    return folder


def reported(plans: Plans, logs: Path, out: Path) -> Path:
    """The report on ``logs``."""
    write_report(plans, stamp([logs]), Options((logs,), out, (), watch=False))(None)
    return out


@pytest.fixture(scope="module")
def full(plans: Plans, logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reported(plans, logs, tmp_path_factory.mktemp("out"))


def test_every_experiment_has_its_section(full: Path) -> None:
    assert sorted(found_sections()) == sorted(experiment_names())
    page = (full / "index.html").read_text()
    assert all(f'<section id="{name}"' in page for name in experiment_names())


@pytest.fixture(scope="module")
def beside(plans: Plans, logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on the same runs with the paper's numbers, as of NUS-WIDE."""
    given = ("data=nuswide", *plans.given[1:])
    return reported(replace(plans, given=given), logs, tmp_path_factory.mktemp("beside"))


def test_one_s_own_collection_has_no_number_of_the_paper(full: Path, logs: Path) -> None:
    rows = {row["method"]: row for row in table(full, "table2")}
    assert len(rows) == 11
    assert float(rows["CNN + logistic (visual-only)"]["mAP_L"]) == pytest.approx(visual_mean(logs), abs=1e-4)
    for name in ("table2", "neighbor_types", "metadata_generalization", "statistics"):
        assert not [heading for row in table(full, name) for heading in row if "paper" in heading or "here" in heading]
    page, text = (full / "index.html").read_text(), (full / "report.md").read_text()
    for number in ("45.78", "52.78", "47.12"):
        assert number not in page
        assert number not in text
    assert 'class="paper"' not in page


def visual_mean(logs: Path) -> float:
    every = [json.loads(path.read_text()) for path in logs.rglob("results.json")]
    return float(np.mean([one["test"]["mAP_L"] for one in every if one["model"] == "visual_only"]))


def test_tables_hold_the_figures_of_the_runs_and_the_papers(beside: Path, full: Path, logs: Path) -> None:
    rows = {row["method"]: row for row in table(beside, "table2")}
    assert len(rows) == 5 + 11
    values = [
        one["test"]["mAP_L"]
        for one in map(json.loads, (path.read_text() for path in logs.rglob("results.json")))
        if one["model"] == "visual_only"
    ]
    visual = rows["CNN + logistic (visual-only)"]
    assert visual["splits"] == "5"
    assert float(visual["mAP_L, here"]) == pytest.approx(np.mean(values), abs=1e-4)
    assert float(visual["mAP_L, here std"]) == pytest.approx(np.std(values, ddof=1), abs=1e-4)
    assert visual["mAP_L, paper"] == "45.7800"
    model = rows["The model: tag neighbours"]
    gain, low, high = (model[f"mAP_L, difference to visual-only [95 %]{end}"] for end in ("", " low", " high"))
    assert float(low) < float(gain) < float(high)
    assert float(gain) == pytest.approx(float(model["mAP_L, here"]) - float(visual["mAP_L, here"]), abs=2e-4)
    assert rows["Graphical model, all metadata (McAuley and Leskovec)"]["mAP_L, paper"] == "49.0000"
    points = [row["hyperparameter"] for row in table(full, "hyperparameters")]
    assert points == [*(f"m = {m}" for m in (1, 2, 3, 4, 6)), *(f"M = {M}" for M in (3, 4, 6, 10, 20)), *(f"tau = {t}" for t in (50, 200, 1000, 5000))]  # fmt: skip
    assert len(table(full, "vocabulary_overlap")) == 5
    assert len(table(full, "new_vocabulary")) == 4
    assert [len(table(full, name)) for name in ("missing_metadata", "relational_generalization")] == [9, 3]
    assert [row["trained with"] for row in table(full, "metadata_generalization")] == ["tags", "sets", "groups"]
    assert len(table(full, "per_label")) == 5


def test_a_row_of_the_relational_model_is_the_mean_of_its_runs(full: Path, logs: Path) -> None:
    """Each setting of the ablation and of the missing metadata, picked from the run folders by its config."""
    runs = [json.loads(path.read_text()) for path in logs.rglob("results.json")]
    runs = [one for one in runs if one["config"]["measure"] == "annotation"]

    def mean(**wanted: object) -> float:
        found = []
        for one in runs:
            config = one["config"]
            flat = {"rename_test": False, "loss": "logistic", "thin": 1, **config}  # defaults are not written
            flat |= {**config.get("neighborhoods", {}), **config["model"].get("arguments", {})}
            flat |= {"model": one["model"], "of": config["model"].get("of", {}).get("name")}
            for key, name in {"metadata": "metadata", "test": "test_metadata"}.items():
                flat[key] = config.get(name, {}).get("type")
            if all(flat.get(key) == value for key, value in wanted.items()):
                found.append(one["test"]["mAP_L"])
        assert len(found) == 5
        return float(np.mean(found))

    rows = {row["model"]: row for row in table(full, "relational")}
    for name, wanted in {
        "Relational model": {},
        "Relational model, not thinned": {"thin": 1.0},
        "Relational model, lambda = 0": {"lambda": 0},
        "Relational model, the mean of 3 models (members = 3)": {"members": 3},
        "Relational model, one tower: tags": {"metadata": "tags", "test": "tags"},
        "Relational model, neighbours of all parts (pool=all)": {"pool": "all"},
        "The image tower alone": {"model": "visual_mlp"},
        "The paper's model, thinned, with the asymmetric loss": {"model": "neighborhood", "loss": "asymmetric"},
        "The image tower alone, its scores mixed with those of neighbours (smoothed)": {
            "model": "smoothed",
            "of": "visual_mlp",
        },
    }.items():
        of_runs = wanted if "model" in wanted else {**USUAL, "test_relations": None, **wanted}
        assert float(rows[name]["mAP_L"]) == pytest.approx(mean(**of_runs), abs=1e-4), name
    missing = {row["test images have"]: row for row in table(full, "missing_metadata")}
    three = {**USUAL, "relations": ["tags", "sets", "groups"]}
    for name, tested in {"all types": None, "only sets": [None, "sets", None]}.items():
        for column, views in (("mAP_L", 0.3), ("views = 0, mAP_L", 0)):
            value = float(missing[name][column])
            assert value == pytest.approx(mean(**{**three, "test_relations": tested, "views": views}), abs=1e-4)


def test_claims_have_the_verdict_that_the_runs_give(full: Path) -> None:
    verdicts = {row["claim"]: row["here"] for row in table(full, "claims")}
    assert not (full / "tables" / "claims_missing.csv").exists()
    assert verdicts["The tag vector lifts mAP_L"] == "confirmed"
    assert verdicts["Neighbours by tags > by groups"] == "confirmed"
    assert verdicts["Neighbours by sets > by visual features"] == "not confirmed"  # equal
    assert verdicts["Labels agree more among neighbours by groups than by sets"] == "not confirmed"
    assert verdicts["Every pair of metadata in training and at test time > visual-only"] == "confirmed"
    assert verdicts["No tag in common between training and test > visual-only"] == "confirmed"
    assert any(claim.startswith("All but few labels gain") for claim in verdicts)
    assert "missing runs" not in verdicts.values()


class Page(HTMLParser):
    """The tags of a page; every end tag must close the last open one."""

    VOID = {"meta", "img", "br", "link", "input"}  # noqa: RUF012

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_valid_and_needs_neither_network_nor_script(full: Path) -> None:
    text = (full / "index.html").read_text()
    page = Page(text)
    assert page.open == []
    tags = {tag for tag, _ in page.tags}
    assert tags.isdisjoint({"script", "link", "iframe", "object", "embed", "form"})
    loaded = [value or "" for tag, a in page.tags for key, value in a.items() if key == "src"]
    assert loaded
    assert all(uri.startswith("data:image/") for uri in loaded)
    assert all((a["href"] or "").startswith("#") for tag, a in page.tags if tag == "a")
    assert not [key for _, a in page.tags for key in a if key.startswith("on")]
    assert all(a.get("alt") for tag, a in page.tags if tag == "img")
    assert all("scope" in a for tag, a in page.tags if tag == "th")
    assert sum(tag == "caption" for tag, _ in page.tags) == sum(tag == "table" for tag, _ in page.tags)
    anchors = {a["id"] for _, a in page.tags if "id" in a}
    assert {(a["href"] or "")[1:] for tag, a in page.tags if tag == "a"} <= anchors
    assert 'http-equiv="refresh"' not in text


def test_every_figure_is_there_in_all_forms(full: Path) -> None:
    files = {path.name for path in (full / "figures").iterdir()}
    drawn = {name.removesuffix(".pdf") for name in files if name.endswith(".pdf")}
    assert drawn == FIGURES
    assert files == {f"{name}{ending}" for name in drawn for ending in (".png", ".pdf")}
    linked = set(re.findall(r"\]\(((?:figures|tables)/\w+\.\w+)\)", (full / "report.md").read_text()))
    assert linked == {str(path.relative_to(full)) for path in full.glob("*/*")}
    assert all(f'<figure id="figure-{name}"' in (full / "index.html").read_text() for name in drawn)


def test_names_from_files_are_never_markup(full: Path) -> None:
    page, text = (full / "index.html").read_text(), (full / "report.md").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>" not in text
    assert r"\[l\](javascript" in text
    assert "[l](" not in text
    assert r"a\|b_c" in text
    assert r"\textless{}script\textgreater{}" in (full / "tables" / "per_label.tex").read_text()
    assert HOSTILE in {row["label"] for row in table(full, "per_label")}


def test_the_page_has_settings_versions_and_run_folders(full: Path, logs: Path) -> None:
    page = (full / "index.html").read_text()
    assert all(folder.name in page for folder in logs.iterdir())
    assert "fingerprint:" in page
    assert "pytorch-lightning" in page


def test_missing_runs_are_named_with_their_command(
    plans: Plans, logs: Path, full: Path, collection: Path, tmp_path: Path
) -> None:
    some = tmp_path / "logs"
    for job, _ in plans.experiments["table2"]:
        name = run_name(settings_of(job.config))
        if job.config["split"] < 2 and job.config["model"]["name"] != "visual_only":
            (some / name).mkdir(parents=True)
            (some / name / "results.json").write_bytes((logs / name / "results.json").read_bytes())
    shutil.copytree(full, tmp_path / "out")
    (tmp_path / "out" / "figures" / "overlap_notes.png").write_text("mine")
    out = reported(plans, some, tmp_path / "out")
    text = (out / "report.md").read_text()
    assert "35 of 55 runs are missing" in text
    assert text.index("## Your runs") < text.index("## Image annotation") < text.index("35 of 55 runs are missing")
    assert text.index("35 of 55 runs are missing") < text.index("## Not run yet") < text.index("25 of 25 runs are")
    assert "0 of 5" not in text
    assert f"python train.py -m experiment=table2 data=collection data.dir={collection} h=8" in text
    assert "- model=visual_only: split 0, 1, 2, 3, 4" in text
    assert "25 of 25 runs are missing" in text
    rows = {row["method"]: row for row in table(out, "table2")}
    assert "CNN + logistic (visual-only)" not in rows  # without a run
    assert rows["CNN + kNN voting"]["splits"] == "2 of 5"
    assert {row["here"] for row in table(out, "claims_missing")} == {"missing runs"}
    assert not (out / "tables" / "claims.csv").exists()
    assert (out / "figures" / "overlap_notes.png").read_text() == "mine"
    assert not [*out.glob("figures/ap_scatter.*"), *out.glob("tables/per_label.*")]  # of runs that are gone
    # A note names arrays that were not copied; numbers stay.
    visual = next(job for job, _ in plans.experiments["per_label"] if job.config["model"]["name"] == "visual_only")
    name = run_name(settings_of(visual.config))
    (some / name).mkdir()
    (some / name / "results.json").write_bytes((logs / name / "results.json").read_bytes())
    text = (reported(plans, some, tmp_path / "out") / "report.md").read_text()
    assert re.search(r"Left out: .*rows\.npy is missing", text)


def test_the_same_results_give_the_same_files(plans: Plans, logs: Path, tmp_path: Path) -> None:
    """Except the page, which has a date."""
    some = tmp_path / "logs"
    for job, _ in plans.experiments["vocabulary_overlap"]:
        name = run_name(settings_of(job.config))
        (some / name).mkdir(parents=True)
        (some / name / "results.json").write_bytes((logs / name / "results.json").read_bytes())
    first, second = (reported(plans, some, tmp_path / name) for name in ("first", "second"))
    files = {path.relative_to(first) for path in first.rglob("*") if path.is_file()}
    assert Path("figures/vocabulary_overlap.pdf") in files
    for path in files - {Path("index.html")}:
        assert (first / path).read_bytes() == (second / path).read_bytes(), path


EXPERIMENT = """# @package _global_
# Mine: more images kept without a neighbourhood.
hydra:
  sweeper:
    params: {model: "tag_only", split: "0,1"}
"""
SECTION = """from love_thy_neighbors.report.document import Note

def mine(context):
    return [Note(f"{len(context.matched.runs('mine').results)} runs of mine")], []

SECTIONS = {"mine": ("My figure", "not in the paper", mine)}
"""


def test_an_experiment_costs_a_config_and_a_section(
    collection: Path, logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a section, the report shows its runs as a table."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs", symlinks=True)
    folder = tmp_path / "configs" / "experiment"
    (folder / "mine.yaml").write_text(EXPERIMENT)
    (folder / "another.yaml").write_text(EXPERIMENT)
    (tmp_path / "sections").mkdir()
    (tmp_path / "sections" / "mine.py").write_text(SECTION)
    monkeypatch.setattr(experiments, "FOLDER", folder)
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path / "sections")])
    assert experiments.experiment_names()[-2:] == ["another", "mine"]
    with initialize_config_dir(str(tmp_path / "configs"), version_base="1.3"):
        plans = Plans.of(overrides_for(collection))
    assert [job.config["split"] for job, _ in plans.experiments["mine"]] == [0, 1]
    out = reported(plans, logs, tmp_path / "out")
    text = (out / "report.md").read_text()
    assert "## My figure\n\n*not in the paper*\n\n2 runs of mine" in text
    (row,) = table(out, "another")
    assert (row["setting"], row["splits"]) == ("model=tag_only", "2")
