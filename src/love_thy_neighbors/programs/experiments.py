"""The jobs of a sweep: ``train.py -m`` launches them, and the report looks for their results.

An experiment is a file of configs/experiment. It gives the values of a sweep:

    # @order 2                                          place in the report and in ``make paper``; else the last
    hydra.sweeper.params: {split: "0,1,2"}              every combination of these ...
    hydra.sweeper.grids: [{m: "1,2"}, {M: "3,6"}]       ... with every combination of each grid, one grid after another

Values on the command line replace both. ``python -m love_thy_neighbors.programs.experiments`` prints the names.
"""

import copy
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from love_thy_neighbors.errors import CollectionLacksError, UserError
from love_thy_neighbors.programs.start import PRIMARY, ROOT, job_name, plain
from love_thy_neighbors.runs.requirements import check_collection
from love_thy_neighbors.runs.settings import settings_of
from love_thy_neighbors.visible import say

Choices = Mapping[str, Sequence[str]]

FOLDER = ROOT / "configs" / "experiment"


@dataclass(frozen=True)
class Job:
    """One ``python train.py *overrides``, with the resolved config that this gives."""

    overrides: tuple[str, ...]
    config: dict[str, Any]


@dataclass
class Plan:
    """The jobs of a sweep, in order, and what it leaves out.

    impossible: the pairs (m, M) with m > M. lacking: for each reason why the collection cannot have some jobs of an
    experiment, their number.
    """

    jobs: list[Job] = field(default_factory=list)
    impossible: dict[tuple[int, int], None] = field(default_factory=dict)  # an ordered set
    lacking: dict[str, int] = field(default_factory=dict)


def experiment_names() -> list[str]:
    """The experiments of configs/experiment in the order of their ``# @order``, then those without one by name."""
    return sorted(
        (path.stem for path in FOLDER.glob("*.yaml")), key=lambda name: (_order(FOLDER / f"{name}.yaml"), name)
    )


def _order(path: Path) -> float:
    found = re.search(r"^# @order (\d+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return int(found[1]) if found else math.inf


def plan_of(experiment: str, overrides: Sequence[str] = ()) -> Plan:
    """The plan of ``train.py -m experiment=EXPERIMENT *overrides``.

    Hydra must be initialised with the folder configs, as in a program or by ``hydra.initialize_config_dir``.
    """
    chosen = f"experiment={experiment}"
    sweeper = compose(PRIMARY, overrides=[chosen], return_hydra_config=True).hydra.sweeper
    return plan(sweeper.params, sweeper.grids, [chosen, *overrides])


def plan(
    params: Mapping[str, str] | None,
    grids: Sequence[Mapping[str, str]] | None,
    overrides: Sequence[str],
    config_name: str = PRIMARY,
) -> Plan:
    """The jobs of a sweep of a primary config over ``params`` and ``grids``, with the command line's ``overrides``.

    An experiment leaves out the jobs that the collection cannot have; in a sweep of one's own they fail with a reason.
    """
    loader = GlobalHydra.instance().config_loader()
    choices = choices_of(params, grids, overrides, loader)
    made = select(combinations(choices), Composer(loader, config_name))
    return without_lacking(made) if any("experiment" in one for one in choices) else made


def without_lacking(made: Plan) -> Plan:
    """The plan without the jobs whose metadata or splits the collection does not have, and with the reasons."""
    kept: list[Job] = []
    reasons: Counter[str] = Counter()
    for job in made.jobs:
        try:
            check_collection(settings_of(job.config))
        except CollectionLacksError as error:
            reasons[str(error)] += 1
            continue
        except UserError:  # the job itself names the mistake
            pass
        kept.append(job)
    return Plan(kept, made.impossible, dict(reasons))


def select(candidates: Iterable[tuple[str, ...]], resolve: Callable[[tuple[str, ...]], dict[str, Any]]) -> Plan:
    """The possible ones of ``candidates``, each run once; ``resolve`` returns the config of a candidate.

    Two candidates may name the same run: a model without neighbours does not depend on tau.
    """
    made, names = Plan(), set()
    for candidate in candidates:
        config = resolve(candidate)
        m, M = config["m"], config["M"]
        numbers = type(m) is type(M) is int  # other types are mistakes, which the job itself explains
        if numbers and m > M and not config["model"].get("relational"):
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
    """For each grid, the overrides of every key; ``overrides`` of the command line replace those of the experiment.

    The last key varies fastest. The order of keys: those of the grid, of ``params``, and the others of ``overrides``.
    """
    given = _parsed(overrides, config_loader)
    if len(given.get("experiment", ())) > 1:
        raise UserError("experiment: one experiment a sweep; give the command once for each.")
    common = _parsed(_assignments(params or {}), config_loader)
    return [{**_parsed(_assignments(grid), config_loader), **common, **given} for grid in grids or [{}]]


def _assignments(values: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in values.items()]


def _parsed(overrides: Sequence[str], config_loader: ConfigLoader) -> dict[str, list[str]]:
    """The overrides by key: one for each value of a sweep, else the override itself."""
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
    """Every combination of one override per key: the union of the grids, in their order, without duplicates.

    >>> combinations([{"m": ["m=1", "m=2"], "split": ["split=0", "split=1"]}, {"m": ["m=2"], "split": ["split=0"]}])
    [('m=1', 'split=0'), ('m=1', 'split=1'), ('m=2', 'split=0'), ('m=2', 'split=1')]
    """
    every: Iterable[tuple[str, ...]] = (combination for grid in choices for combination in product(*grid.values()))
    return list(dict.fromkeys(every))


class Composer:
    """Resolves the configs of many jobs.

    Hydra takes a fifth of a second to compose a config. Jobs that differ in plain values alone share one composed
    config, and their values are set in it afterwards, as Hydra does.
    """

    def __init__(self, config_loader: ConfigLoader, config_name: str = PRIMARY) -> None:
        self.config_name = config_name
        self.parser = OverridesParser.create(config_loader)
        self.is_group = cache(lambda key: bool(config_loader.get_group_options(key)))
        self.composed: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, overrides: Sequence[str]) -> dict[str, Any]:
        """The config of ``train.py *overrides``."""
        parsed = self.parser.parse_overrides(list(overrides))
        values = [override for override in parsed if self._is_value(override)]
        key = tuple(override.input_line or "" for override in parsed if override not in values)
        if key not in self.composed:
            self.composed[key] = compose(self.config_name, overrides=list(key))
        config = copy.deepcopy(self.composed[key])
        try:
            for override in values:
                OmegaConf.update(config, override.key_or_group, override.value())
        except OmegaConfBaseException:  # Hydra has the better message
            compose(self.config_name, overrides=list(overrides))
            raise
        return plain(config)

    def _is_value(self, override: Override) -> bool:
        change = override.type == OverrideType.CHANGE and override.package is None
        return change and not self.is_group(override.key_or_group)


if __name__ == "__main__":
    say("\n".join(experiment_names()))
