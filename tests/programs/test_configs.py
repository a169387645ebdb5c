"""Every YAML file composes and gives the object it describes; every key is explained."""

import inspect
import re
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pytorch_lightning.loggers import Logger

from conftest import ROOT, settings
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.jobs.build import make_callbacks, make_task, make_trainer
from love_thy_neighbors.neighbors.list_files import BLOCK
from love_thy_neighbors.runs.identity import run_name
from love_thy_neighbors.runs.requirements import check_collection
from love_thy_neighbors.runs.rules import RULES
from love_thy_neighbors.runs.settings import settings_of
from love_thy_neighbors.runs.trainer_rules import ALLOWED, REFUSED
from love_thy_neighbors.training.task import AnnotationTask

GROUPS = ("callbacks", "cluster", "data", "debug", "logger", "metadata", "model", "trainer")
CHOICES = [f"{group}={path.stem}" for group in GROUPS for path in sorted((ROOT / "configs" / group).glob("*.yaml"))]
# Programs or devices that this machine may lack are composed here and run where they are.
SETTINGS = {
    "data=collection": ("data.dir=/somewhere",),
    "trainer=gpu": ("trainer.accelerator=cpu",),
    "metadata=all": ("model=relational",),
}


def test_the_list_of_groups_is_whole() -> None:
    folders = {path.name for path in (ROOT / "configs").iterdir() if path.is_dir()}
    assert folders - {"source", "experiment"} == set(GROUPS)
    assert len(CHOICES) > 20


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_composes_and_instantiates(choice: str, tmp_path: Path) -> None:
    config = settings(choice, *SETTINGS.get(choice, ()))
    made = settings_of(config)
    assert run_name(made)
    if not choice.startswith("data=") or choice == "data=openclipart":  # the folder of other collections is the user's
        check_collection(made)
    if made.training is not None:
        sizes: dict[str, Any] = {"values": 7} if made.model.values else {}
        sizes |= {"relations": ["tags", "sets"]} if made.model.relational else {}
        task = make_task(made, {"dim": 8, "labels": 3, **sizes, **made.model.arguments})
        assert isinstance(task, AnnotationTask)
        assert isinstance(task.configure_optimizers(), torch.optim.RMSprop)
        assert isinstance(make_trainer(made.training, make_callbacks(made.training, [None]), [], tmp_path), pl.Trainer)
    if "_target_" in made.logger:
        extra = {"offline": True} if "Wandb" in made.logger["_target_"] else {}
        assert isinstance(instantiate(dict(made.logger) | {"save_dir": str(tmp_path)}, **extra), Logger)


def test_test_metadata_follows_metadata_unless_it_is_given() -> None:
    assert settings("metadata=sets")["test_metadata"]["type"] == "sets"
    other = settings("metadata=sets", "test_metadata=tags", "tau=7")
    assert (other["metadata"], other["test_metadata"]) == ({"type": "sets", "tau": None}, {"type": "tags", "tau": 7})


def test_hyperparameters_follow_collection_and_model() -> None:
    assert settings("data=nuswide")["lr"] == 1e-4
    assert settings("data=nuswide")["l2"] == 3e-3
    assert settings("data=nuswide")["epochs"] == 10
    assert settings("data=nuswide", "model=visual_only", "lr=0.5")["lr"] == 0.5
    assert settings("model=tag_only")["lr"] == 1e-2
    assert settings("+data.hyperparameters.tag_only.lr=0.25", "model=tag_only")["lr"] == 0.25


def test_a_model_of_another_ones_scores_has_its_hyperparameters() -> None:
    def of(name: str, *more: str) -> dict[str, Any]:
        return settings("model=smoothed", f"model@model.of={name}", *more)

    for name, more in (("visual_only", "data=nuswide"), ("neighborhood", "split=0"), ("relational", "split=0")):
        ours, theirs = of(name, more), settings(f"model={name}", more)
        for key in ("lr", "l2", "dropout", "epochs", "schedule", "loss", "M", "neighborhoods", "metadata"):
            assert ours[key] == theirs[key], (name, key)
    assert settings_of(of("visual_only", "lr=0.5", "baseline=null")).scored_by == settings_of(
        settings("model=visual_only", "lr=0.5", "baseline=null")
    )


def test_a_model_without_hyperparameters_gives_the_file_and_the_key() -> None:
    with pytest.raises(UserError) as error:
        settings_of(settings("~model.hyperparameters.l2"))
    for word in ("l2", "configs/model/neighborhood.yaml", "configs/data/openclipart.yaml"):
        assert word in str(error.value)


def test_a_key_that_nothing_reads_is_refused() -> None:
    with pytest.raises(UserError, match="learning_rate"):
        settings_of(settings("+learning_rate=1"))


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("+learning_rate=1", ("learning_rate", " lr?")),
        ("+trainer.max_epochs=9", ("trainer.max_epochs", "epochs=")),
        ("+trainer.callbacks=[]", ("trainer.callbacks", "callbacks=early_stopping")),
        ("+trainer.logger=true", ("trainer.logger", "logger=")),
        ("+trainer.enable_checkpointing=true", ("trainer.enable_checkpointing", "last.ckpt")),
        ("+trainer.default_root_dir=/x", ("trainer.default_root_dir", "logs=")),
        ("+trainer.check_val_every_n_epoch=2", ("trainer.check_val_every_n_epoch", "each epoch")),
        ("+trainer.max_steps=3", ("trainer.max_steps", "epochs=")),
        ("trainer.precision=bf16-true", ("trainer.precision=bf16-true", "bf16-mixed")),
        ("trainer.precision=64-true", ("trainer.precision=64-true", "32-true")),
        ("+trainer.device=2", ("trainer.device", "trainer.devices?")),
        ("+neighborhoods.tran=2", ("neighborhoods.tran", "neighborhoods.train?")),
        ("+data.backbon=x", ("data.backbon", "data.backbone?")),
        ("+model.argument=1", ("model.argument", "model.arguments?")),
        ("+data.hyperparameters.neighborhood.learning_rate=1", ("data.hyperparameters.", "learning_rate")),
        ("+logger.projct=x", ("logger", "_target_")),
        ("verbose=yes please", ("verbose=", "true or false")),
    ],
)
def test_a_setting_that_would_be_ignored_is_refused_with_what_to_give_instead(
    override: str, named: tuple[str, str]
) -> None:
    with pytest.raises(UserError) as error:
        settings_of(settings(override))
    assert str(error.value).startswith(named[0])
    assert named[1] in str(error.value)


def test_every_argument_of_the_trainer_is_allowed_or_refused_with_a_reason() -> None:
    assert not {*ALLOWED} & REFUSED.keys()
    arguments = set(inspect.signature(pl.Trainer.__init__).parameters) - {"self"}
    assert {*ALLOWED} | REFUSED.keys() == arguments | {"tf32"}  # which is ours


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


def name_of(*overrides: str) -> str:
    return run_name(settings_of(settings(*overrides)))


def test_run_folders_of_earlier_versions_are_found() -> None:
    assert name_of("vocabulary=train") == "openclipart-neighborhood-tags-m3-M6-pool-split-split0-seed0-c8790d2f"
    assert name_of("model=visual_only", "split=1") == "openclipart-visual_only-split1-seed0-f55da4cb"


def test_the_name_of_a_run_depends_on_what_changes_its_result_alone() -> None:
    name = name_of()
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
        assert name_of(override) == name, override
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
        assert name_of(override) != name, override
    visual = name_of("model=visual_only")
    assert visual == name_of("model=visual_only", "m=2", "metadata=sets", "pool=all")
    assert visual != name_of("model=visual_only", "split=1")


SOURCES = sorted(path.stem for path in (ROOT / "configs" / "source").glob("*.yaml"))


@pytest.mark.parametrize("source", SOURCES)
def test_the_keys_of_a_source_are_those_of_its_options(source: str) -> None:
    """No key that nothing reads, no option that cannot be given."""
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("prepare", overrides=[f"source={source}"])
    options = import_module(f"love_thy_neighbors.sources.{source}").Options
    common = {"out", "overwrite", "update", "ray", *(key.name for key in fields(Extraction))}
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
    own = {key: config.pop(key) for key in ("engine", "ray", "block", "deep")}
    assert own == {"engine": "local", "ray": {"address": None}, "block": BLOCK, "deep": 0}
    assert config == {key: theirs[key] for key in config}
