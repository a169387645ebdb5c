"""The jobs of a sweep: combinations of values, and the jobs of each experiment."""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT, settings
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.programs.experiments import (
    Job,
    choices_of,
    combinations,
    experiment_names,
    plan,
    plan_of,
    select,
)
from love_thy_neighbors.programs.start import plain, register_resolvers
from love_thy_neighbors.runs.identity import needed_run, run_name
from love_thy_neighbors.runs.settings import settings_of

FOLDER = ROOT / "configs" / "experiment"


@pytest.fixture
def _hydra() -> Iterator[None]:
    register_resolvers()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        yield


@cache
def jobs_of(name: str) -> list[Job]:
    """All jobs of an experiment on the embedded collection; takes seconds."""
    return plan_of(name).jobs


def grids(keys: str) -> st.SearchStrategy[dict[str, list[str]]]:
    values = st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True)
    return st.dictionaries(st.sampled_from(keys), values, max_size=2).map(
        lambda grid: {key: [f"{key}={value}" for value in values] for key, values in grid.items()}
    )


@given(st.lists(grids("abc"), min_size=1, max_size=3))
def test_combinations_are_the_union_of_the_grids_products(choices: list[dict[str, list[str]]]) -> None:
    made = combinations(choices)
    expected = set()
    for grid in choices:
        rows: list[tuple[str, ...]] = [()]
        for values in grid.values():
            rows = [(*row, value) for row in rows for value in values]
        assert [row for row in made if row in rows] == sorted(rows, key=made.index)
        expected |= set(rows)
    assert set(made) == expected
    assert len(made) == len(expected)  # none twice
    first = combinations(choices[:1])
    assert made[: len(first)] == first  # grids one after the other


@given(grids("ab"), grids("cd"))
def test_one_grid_has_as_many_combinations_as_the_product_of_its_lengths(
    grid: dict[str, list[str]], params: dict[str, list[str]]
) -> None:
    count = 1
    for values in (grid | params).values():
        count *= len(values)
    assert len(combinations([grid | params])) == count


SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def default() -> dict[str, Any]:
    return settings()


@given(m=SIZES, M=SIZES)
def test_every_possible_pair_is_launched_once_and_no_m_above_M(
    default: dict[str, Any], m: list[int], M: list[int]
) -> None:
    asked = [(a, b) for b in M for a in m]
    selected = select([(f"m={a}", f"M={b}") for a, b in asked], lambda pair: default | as_numbers(pair))
    pairs = [(job.config["m"], job.config["M"]) for job in selected.jobs]
    assert pairs == list(dict.fromkeys((a, b) for a, b in asked if a <= b))
    assert list(selected.impossible) == list(dict.fromkeys((a, b) for a, b in asked if a > b))


def as_numbers(overrides: tuple[str, ...]) -> dict[str, Any]:
    return {key: int(value) for key, value in (text.split("=") for text in overrides)}


@pytest.mark.usefixtures("_hydra")
def test_pairs_of_grids_and_params_are_planned() -> None:
    planned = plan({"m": "2,4,3"}, [{"M": "3"}, {"M": "6"}], ["split=1"])
    assert [job.overrides for job in planned.jobs] == [
        ("M=3", "m=2", "split=1"),
        ("M=3", "m=3", "split=1"),
        ("M=6", "m=2", "split=1"),
        ("M=6", "m=4", "split=1"),
        ("M=6", "m=3", "split=1"),
    ]
    assert list(planned.impossible) == [(4, 3)]


@pytest.mark.usefixtures("_hydra")
def test_the_command_line_replaces_values_of_params_and_grids_and_keeps_the_others() -> None:
    loader = GlobalHydra.instance().config_loader()
    made = choices_of({"split": "0,1,2"}, [{"m": "1,2"}, {"M": "3,6"}], ["m=range(1,4)", "split=4", "tau=7"], loader)
    assert [list(grid) for grid in made] == [["m", "split", "tau"], ["M", "split", "m", "tau"]]
    assert made[0] == {"m": ["m=1", "m=2", "m=3"], "split": ["split=4"], "tau": ["tau=7"]}
    assert made[1]["M"] == ["M=3", "M=6"]
    assert choices_of(None, None, ['data.dir="/photos (2019)"'], loader) == [
        {"data.dir": ['data.dir="/photos (2019)"']}
    ]


@pytest.mark.usefixtures("_hydra")
@pytest.mark.parametrize(
    ("override", "message"),
    [("lr=interval(0,1)", "lr=interval.* list the values"), ("experiment=table2,examples", "one experiment a sweep")],
)
def test_what_cannot_be_swept_gives_a_sentence(override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan(None, None, [override])


@pytest.mark.usefixtures("_hydra")
def test_a_setting_without_effect_on_a_model_makes_no_second_job() -> None:
    made = plan(None, None, ["model=visual_only,neighborhood", "tau=50,60"]).jobs
    assert [(job.config["model"]["name"], job.config["tau"]) for job in made] == [
        ("visual_only", 50),
        ("neighborhood", 50),
        ("neighborhood", 60),
    ]


def test_every_experiment_is_named_and_says_what_it_is() -> None:
    assert experiment_names()[:2] == ["statistics", "table2"]
    for name in experiment_names():
        lines = (FOLDER / f"{name}.yaml").read_text().splitlines()
        assert lines[0] == "# @package _global_"
        assert lines[1].startswith("# @order "), name
        assert lines[2].startswith(("# Table", "# Figure", "# Not in the paper")), name
        assert f"#   python train.py -m experiment={name}" in "\n".join(lines)
        assert any(line.startswith("# Here: ") or "here to within" in line for line in lines), name


@pytest.mark.usefixtures("_hydra")
@pytest.mark.parametrize("name", experiment_names())
def test_a_job_s_config_is_what_train_py_runs_with(name: str) -> None:
    made = plan_of(name, ["split=3", "data=nuswide", "seed=1"]).jobs
    assert len({run_name(settings_of(job.config)) for job in made}) == len(made) > 0
    for job in (made[0], made[-1]):
        assert f"experiment={name}" in job.overrides
        assert job.config == plain(compose("train", overrides=list(job.overrides)))
        assert (job.config["split"], job.config["seed"], job.config["data"]["name"]) == (3, 1, "nuswide")
        assert job.config["m"] <= job.config["M"]


@pytest.mark.usefixtures("_hydra")
def test_table_2_trains_the_baseline_first_and_two_workers_are_in_different_splits() -> None:
    made = [(job.config["model"]["name"], job.config["split"]) for job in jobs_of("table2")]
    assert made[:5] == [("visual_only", split) for split in range(5)]
    assert len({model for model, _ in made}) == 11
    assert all(one[1] != other[1] for one, other in pairwise(made))


@pytest.mark.usefixtures("_hydra")
def test_experiments_share_their_runs() -> None:
    table2 = {run_name(settings_of(job.config)) for job in jobs_of("table2")}
    for name in ("per_label", "examples", "confidence"):
        assert {run_name(settings_of(job.config)) for job in jobs_of(name)} <= table2
    assert [weights.config["model"]["name"] for weights in jobs_of("learned_weights")] == ["neighborhood", "relational"]
    for weights in jobs_of("learned_weights"):
        needed = needed_run(settings_of(weights.config))
        assert needed is not None
        assert run_name(needed) in table2
    types = {run_name(settings_of(job.config)) for job in jobs_of("neighbor_types")}
    general = jobs_of("metadata_generalization")
    assert {run_name(needed_run(settings_of(job.config)) or settings_of(job.config)) for job in general} <= types
    overlap = jobs_of("vocabulary_overlap")
    assert (
        len({run_name(needed_run(settings_of(job.config)) or settings_of(job.config)) for job in overlap}) == 5
    )  # one training a split


@pytest.mark.usefixtures("_hydra")
def test_experiments_that_show_visual_only_run_it() -> None:
    for name in set(experiment_names()) - {"statistics", "label_correlation", "learned_weights"}:
        assert all(job.config["baseline"] == "visual_only" for job in jobs_of(name)), name


@pytest.mark.usefixtures("_hydra")
def test_hyperparameters_vary_one_at_a_time(default: dict[str, Any]) -> None:
    for job in jobs_of("hyperparameters"):
        assert sum(job.config[key] != default[key] for key in ("m", "M", "tau")) <= 1


def test_runs_in_weights_and_biases_are_grouped_also_where_hydra_runs_no_job() -> None:
    logger = settings("logger=wandb", "experiment=examples", "metadata=sets")["logger"]
    assert logger["group"] == "openclipart-neighborhood"
    assert logger["job_type"] == "neighborhood"
    assert logger["tags"] == ["openclipart", "sets", "pool-split", "annotation"]
