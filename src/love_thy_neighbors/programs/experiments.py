"""The jobs of a sweep: what ``train.py -m`` launches, and what the report looks for.

An experiment, a file of configs/experiment, gives the values that its jobs take:

    hydra.sweeper.params: {split: "0,1,2"}              every combination of these ...
    hydra.sweeper.grids: [{m: "1,2"}, {M: "3,6"}]       ... with those of each of these grids, one grid after the other

Values given on the command line take the place of both.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any

from hydra import compose
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.programs.start import job_name, plain

Choices = Mapping[str, Sequence[str]]

EXPERIMENTS = (
    "statistics",  # Table 1
    "table2",
    "per_label",  # Figure 5
    "examples",  # Figure 4
    "learned_weights",  # Figure 3
    "neighbor_types",  # Table 3
    "hyperparameters",  # Figure 7
    "label_correlation",  # Figure 6
    "vocabulary_overlap",  # Figure 8
    "metadata_generalization",  # Table 4
)


@dataclass(frozen=True)
class Job:
    """One ``python train.py *overrides``, with the resolved config that this gives."""

    overrides: tuple[str, ...]
    config: dict[str, Any]


@dataclass
class Plan:
    """What a sweep launches, in order, and the pairs (m, M), m > M, that it leaves out."""

    jobs: list[Job] = field(default_factory=list)
    impossible: dict[tuple[int, int], None] = field(default_factory=dict)  # a set that keeps its order


def experiment_names() -> list[str]:
    """The experiments of configs/experiment in the order in which the paper discusses their results."""
    return list(EXPERIMENTS)


def jobs(experiment: str, overrides: Sequence[str] = ()) -> list[Job]:
    """What ``train.py -m experiment=EXPERIMENT *overrides`` launches, in order.

    Hydra has to be initialised with the folder configs, as inside a program or by ``hydra.initialize_config_dir``.
    """
    chosen = f"experiment={experiment}"
    sweeper = compose("train", overrides=[chosen], return_hydra_config=True).hydra.sweeper
    return plan(sweeper.params, sweeper.grids, [chosen, *overrides]).jobs


def plan(params: Mapping[str, str] | None, grids: Sequence[Mapping[str, str]] | None, overrides: Sequence[str]) -> Plan:
    """The jobs of a sweep over ``params`` and ``grids``, with the command line's ``overrides``."""
    loader = GlobalHydra.instance().config_loader()
    return select(combinations(choices_of(params, grids, overrides, loader)), Composer(loader))


def select(candidates: Iterable[tuple[str, ...]], resolve: Callable[[tuple[str, ...]], dict[str, Any]]) -> Plan:
    """Those of ``candidates`` that are possible, and each run once; ``resolve`` gives the config of one.

    Two that name the same run ask for the same result, as two values of tau do of a model without neighbours.
    """
    made, names = Plan(), set()
    for candidate in candidates:
        config = resolve(candidate)
        m, M = config["m"], config["M"]
        if type(m) is type(M) is int and m > M:  # other types are mistakes, which the job itself explains
            made.impossible[m, M] = None
        elif (name := job_name(config)) not in names:
            names.add(name)
            made.jobs.append(Job(candidate, config))
    return made


def choices_of(
    params: Mapping[str, str] | None,
    grids: Sequence[Mapping[str, str]] | None,
    overrides: Sequence[str],
    config_loader: ConfigLoader,
) -> list[Choices]:
    """For each grid, the overrides that every key may take; those of the command line win over the experiment's.

    Keys stand in the order in which they vary, the last one fastest: grid, params, and what only ``overrides`` set.
    """
    given = _parsed(overrides, config_loader)
    if len(given.get("experiment", ())) > 1:
        raise UserError("experiment: one experiment a sweep; give the command once for each.")
    common = _parsed(_assignments(params or {}), config_loader)
    return [{**_parsed(_assignments(grid), config_loader), **common, **given} for grid in grids or [{}]]


def _assignments(values: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in values.items()]


def _parsed(overrides: Sequence[str], config_loader: ConfigLoader) -> dict[str, list[str]]:
    """The key of each override, with the override itself or, if it sweeps, one override for each of its values."""
    parsed = {}
    for override in OverridesParser.create(config_loader).parse_overrides(list(overrides)):
        key = override.get_key_element()
        if not override.is_sweep_override():
            parsed[key] = [override.input_line or ""]
        elif override.is_discrete_sweep():
            parsed[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            raise UserError(f"{override.input_line}: an interval cannot be swept; list the values, {key}=1,2,3.")
    return parsed


def combinations(choices: Sequence[Choices]) -> list[tuple[str, ...]]:
    """Every choice of one value a key, as overrides: the union of the grids, in their order, none of them twice.

    >>> combinations([{"m": ["m=1", "m=2"], "split": ["split=0", "split=1"]}, {"m": ["m=2"], "split": ["split=0"]}])
    [('m=1', 'split=0'), ('m=1', 'split=1'), ('m=2', 'split=0'), ('m=2', 'split=1')]
    """
    every: Iterable[tuple[str, ...]] = (combination for grid in choices for combination in product(*grid.values()))
    return list(dict.fromkeys(every))


class Composer:
    """The resolved configs of many jobs. Composing takes Hydra a fifth of a second, so that it is done once for all
    jobs that differ in plain values alone; these are put in afterwards, as Hydra itself does.
    """

    def __init__(self, config_loader: ConfigLoader) -> None:
        self.parser = OverridesParser.create(config_loader)
        self.is_group = cache(lambda key: bool(config_loader.get_group_options(key)))
        self.composed: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, overrides: Sequence[str]) -> dict[str, Any]:
        """What ``train.py *overrides`` runs with."""
        parsed = self.parser.parse_overrides(list(overrides))
        values = [override for override in parsed if self._is_value(override)]
        key = tuple(override.input_line or "" for override in parsed if override not in values)
        if key not in self.composed:
            self.composed[key] = compose("train", overrides=list(key))
        config = copy.deepcopy(self.composed[key])
        try:
            for override in values:
                OmegaConf.update(config, override.key_or_group, override.value())
        except OmegaConfBaseException:  # Hydra says better what is wrong
            compose("train", overrides=list(overrides))
            raise
        return plain(config)

    def _is_value(self, override: Override) -> bool:
        change = override.type == OverrideType.CHANGE and override.package is None
        return change and not self.is_group(override.key_or_group)
