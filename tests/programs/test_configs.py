"""Every YAML file composes and gives the object it describes; every key is explained."""

import re
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pytorch_lightning.loggers import Logger

from conftest import ROOT, settings
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.jobs.build import make_task, make_trainer
from love_thy_neighbors.neighbors.list_files import BLOCK
from love_thy_neighbors.runs.identity import run_name
from love_thy_neighbors.runs.settings import RULES, check_config
from love_thy_neighbors.training.task import AnnotationTask

GROUPS = ("cluster", "data", "debug", "logger", "metadata", "model", "trainer")
CHOICES = [f"{group}={path.stem}" for group in GROUPS for path in sorted((ROOT / "configs" / group).glob("*.yaml"))]
# Programs or devices that this machine may lack are composed here and run where they are.
SETTINGS = {"data=collection": ("data.dir=/somewhere",), "trainer=gpu": ("trainer.accelerator=cpu",)}


def test_the_list_of_groups_is_whole() -> None:
    folders = {path.name for path in (ROOT / "configs").iterdir() if path.is_dir()}
    assert folders - {"source", "experiment"} == set(GROUPS)
    assert len(CHOICES) > 20


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_composes_and_instantiates(choice: str, tmp_path: Path) -> None:
    config = settings(choice, *SETTINGS.get(choice, ()))
    assert run_name(config)
    if choice.startswith("data=") and choice != "data=openclipart":
        pass  # their folder is the user's
    else:
        check_config(config)
    if config["model"]["trained"]:
        values = {"values": 7} if config["model"]["values"] else {}
        task = make_task(config, {"dim": 8, "labels": 3, **values, **config["model"]["arguments"]})
        assert isinstance(task, AnnotationTask)
        assert isinstance(task.configure_optimizers(), torch.optim.RMSprop)
        assert isinstance(make_trainer(config, [], [], tmp_path), pl.Trainer)
    if "_target_" in config["logger"]:
        extra = {"offline": True} if "Wandb" in config["logger"]["_target_"] else {}
        assert isinstance(instantiate(config["logger"] | {"save_dir": str(tmp_path)}, **extra), Logger)


def test_test_metadata_follows_metadata_unless_it_is_given() -> None:
    assert settings("metadata=sets")["test_metadata"]["type"] == "sets"
    other = settings("metadata=sets", "test_metadata=tags", "tau=7")
    assert (other["metadata"], other["test_metadata"]) == ({"type": "sets", "tau": None}, {"type": "tags", "tau": 7})


def test_hyperparameters_follow_collection_and_model() -> None:
    assert settings("data=nuswide")["lr"] == 1e-4
    assert settings("data=nuswide")["l2"] == 3e-3
    assert settings("data=nuswide")["epochs"] == 10
    assert settings("data=nuswide", "model=visual_only", "lr=0.5")["lr"] == 0.5


def test_every_key_of_the_root_config_has_a_comment() -> None:
    lines = (ROOT / "configs" / "train.yaml").read_text().split("\nhydra:")[0].splitlines()
    keys = [
        line
        for line in lines
        if ":" in line.split("#")[0] and not line.startswith(("defaults:", "neighborhoods:", "#"))
    ]
    explained = [line for line in keys if "#" in line or line.strip() in ("- _self_",)]
    assert len(keys) > 25
    assert [line for line in keys if line not in explained] == []


def test_every_rule_is_about_a_key_that_exists() -> None:
    config = settings()
    for key in RULES:
        value = config
        for part in key.split("."):
            value = value[part]


def test_the_name_of_a_run_depends_on_what_changes_its_result_alone() -> None:
    name = run_name(settings())
    same = (
        "resume=true",
        "overwrite=true",
        "logger=wandb",
        "baseline=null",
        "cluster=joblib",
        "logs=/elsewhere",
        "cache=/elsewhere",
    )
    for override in same:
        assert run_name(settings(override)) == name, override
    for override in (
        "m=2",
        "M=7",
        "tau=9",
        "split=1",
        "seed=1",
        "pool=all",
        "metadata=sets",
        "test_metadata=sets",
        "lr=0.5",
        "h=9",
    ):
        assert run_name(settings(override)) != name, override
    visual = run_name(settings("model=visual_only"))
    assert visual == run_name(settings("model=visual_only", "m=2", "metadata=sets", "pool=all"))
    assert visual != run_name(settings("model=visual_only", "split=1"))


SOURCES = sorted(path.stem for path in (ROOT / "configs" / "source").glob("*.yaml"))


@pytest.mark.parametrize("source", SOURCES)
def test_the_keys_of_a_source_are_those_of_its_options(source: str) -> None:
    """No key that nothing reads, no option that cannot be given."""
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("prepare", overrides=[f"source={source}"])
    options = import_module(f"love_thy_neighbors.sources.{source}").Options
    common = {"out", "overwrite", "ray", *(key.name for key in fields(Extraction))}
    assert {str(key) for key in config} - common == {key.name for key in fields(options)} - common
    for key in fields(options):
        if key.default is not MISSING and key.name not in common:
            default = OmegaConf.to_container(config)[key.name]  # type: ignore[index]
            assert default == (str(key.default) if isinstance(key.default, Path) else key.default), key.name


@pytest.mark.parametrize(
    "name", ["neighbors", "prepare", *(f"source/{source}" for source in SOURCES), "source/shared/options"]
)
def test_every_key_of_neighbors_and_prepare_is_explained(name: str) -> None:
    lines = (ROOT / "configs" / f"{name}.yaml").read_text().split("\nhydra:")[0].splitlines()
    keys = [line for line in lines if re.match(r"\w+:", line) and not line.startswith("defaults:")]
    assert keys
    assert [line for line in keys if "  #" not in line] == []


def test_the_keys_of_neighbors_are_those_of_train_with_the_same_defaults() -> None:
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = OmegaConf.to_container(compose("neighbors", overrides=["metadata=sets"]), resolve=True)
    theirs = settings("metadata=sets")
    assert isinstance(config, dict)
    own = {key: config.pop(key) for key in ("engine", "ray", "block")}
    assert own == {"engine": "local", "ray": {"address": None}, "block": BLOCK}
    assert config == {key: theirs[key] for key in config}
