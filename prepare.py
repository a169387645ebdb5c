"""Make a collection: python prepare.py source=jsonl|nuswide|folder|... out=FOLDER (keys: configs/prepare.yaml)."""

import re
import sys
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_type_hints

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from love_thy_neighbors.cluster.engine import Engine
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.programs.start import CONTINUES, as_text, job, run
from love_thy_neighbors.terminal import terminal


def work(config: DictConfig) -> None:
    """Make the collection that ``config`` describes, or add features to one."""
    for key in ("overwrite", "update"):
        if not isinstance(config[key], bool):
            raise UserError(f"{key}: must be true or false, not {config[key]}.")
    from love_thy_neighbors.features.settings import Extraction  # late, like the sources, so that --help is quick

    source = HydraConfig.get().runtime.choices["source"]
    if source == "collection":
        from love_thy_neighbors.sources.collection import Options, add_features

        if config["update"]:  # config.update is a method of dictionaries
            raise UserError("update: source=collection adds a table of features; give the source of the photos.")
        add_features(_chosen(Options, config), _chosen(Extraction, config))
        _print_summary(Path(str(config.root)))
        return
    if config.out is None and not HydraConfig.get().overrides.task:
        raise UserError(
            "source: say what to make and where, for example python prepare.py source=folder root=photos/ "
            "labels=labels.csv out=data/mine; python prepare.py --help lists the sources."
        )
    if config.out is None:
        raise UserError("out: give the folder to write (out=data/mine).")
    how = _chosen(Extraction, config)
    out = Path(str(config.out))
    if out.is_symlink():  # the folder is replaced, not the link to it
        out = out.resolve()
    module = import_module(f"love_thy_neighbors.sources.{source}")
    from love_thy_neighbors.sources.prepare import make

    make(module.read, _chosen(module.Options, config), out, config.overwrite, how, config["update"])
    _print_summary(out)


def _print_summary(folder: Path) -> None:
    """Print what the collection holds, and the next command."""
    from love_thy_neighbors.sources.summary import summary

    for line in summary(folder):
        terminal(highlight=False, soft_wrap=True).print(line)


def _chosen(options: Any, config: DictConfig) -> Any:
    """The dataclass ``options`` with the values that ``config`` has for its fields; what Hydra takes for a number is
    a path or a text again where the field is one."""
    hints = get_type_hints(options)
    values: dict[str, Any] = {}
    for name in (key.name for key in fields(options) if key.name in config):
        value = config[name]
        if hints[name] is Engine:  # two keys
            values[name] = Engine(str(value), as_text(config.ray.address))
            continue
        kinds = {hints[name], *get_args(hints[name])}
        if OmegaConf.is_dict(value) and Path in kinds:  # metadata, see _as_values
            value = value.path
        if OmegaConf.is_config(value):
            value = OmegaConf.to_container(value)
        elif value is not None and Path in kinds:
            value = Path(str(value))
        elif str in kinds and isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        values[name] = value
    return options(**values)


def _as_values(arguments: list[str]) -> list[str]:
    """The command line with metadata=FILE as metadata={path:FILE}: train.py has a config group ``metadata``, and Hydra
    would look for a choice of that name, but never takes a dictionary for one."""
    return [re.sub(r"^metadata=([^{].*)", r"metadata={path:\1}", argument) for argument in arguments]


@hydra.main(version_base="1.3", config_path="configs", config_name="prepare")
def main(config: DictConfig) -> None:
    """Hydra's way in."""
    job(work, config, needs_torch=False)


if __name__ == "__main__":
    sys.argv[1:] = _as_values(sys.argv[1:])
    run(main, CONTINUES)
