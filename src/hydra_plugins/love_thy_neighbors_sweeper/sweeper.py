"""The sweeper of ``train.py -m``: plans the jobs, launches them, and prints the list of outcomes.

Hydra imports this module at every start, so heavy modules are imported where they are used.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from love_thy_neighbors.programs.experiments import Job


@dataclass
class ExperimentSweeperConf:
    """The config node hydra/sweeper=experiments; an experiment fills it (see `programs.experiments`)."""

    _target_: str = f"{__name__}.ExperimentSweeper"
    params: dict[str, str] | None = None
    grids: list[dict[str, str]] | None = None


ConfigStore.instance().store(group="hydra/sweeper", name="experiments", node=ExperimentSweeperConf, provider="hydra")


class ExperimentSweeper(Sweeper):
    """Sweeps over a union of grids. A job that fails does not stop the others."""

    def __init__(
        self, params: Mapping[str, str] | None = None, grids: Sequence[Mapping[str, str]] | None = None
    ) -> None:
        self.params = params
        self.grids = grids
        self.launcher: Launcher | None = None
        self.config_name = ""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before `sweep`."""
        from love_thy_neighbors.programs.sweep_outcomes import TaskWithoutExceptions

        self.config_name = config.hydra.job.config_name
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=TaskWithoutExceptions(task_function), config=config
        )

    def sweep(self, arguments: list[str]) -> list[Any]:
        """Do the jobs of the command line and the experiment; returns their values, or `Failure`s, in order.

        Raises `UserError` if one has failed, after the list of all has been printed.
        """
        from love_thy_neighbors.programs import sweep_outcomes
        from love_thy_neighbors.programs.experiments import plan

        planned = plan(self.params, self.grids, arguments, self.config_name)
        sweep_outcomes.print_plan(planned)
        to_do = [job for job in planned.jobs if not sweep_outcomes.is_finished(job, self.config_name)]
        outcomes = self._launch(to_do, first=0) if to_do else []
        sweep_outcomes.print_summary(to_do, len(planned.jobs) - len(to_do), outcomes)
        return outcomes

    def _launch(self, jobs: "Sequence[Job]", first: int) -> list[Any]:
        """The outcome of each job: its value, or a `Failure`. ``first`` is the number of the first one."""
        from love_thy_neighbors.programs.sweep_outcomes import KILLED, Failure, failures_of_killed_jobs

        assert self.launcher is not None
        try:
            with failures_of_killed_jobs(self.launcher):
                returned = self.launcher.launch([job.overrides for job in jobs], initial_job_idx=first)
            return [job_return.return_value for job_return in returned]
        except BrokenExecutor:
            # joblib ends all its processes with the first one that is killed, and does not name its job. Halving the
            # list finds it; finished jobs are found again.
            if len(jobs) == 1:
                return [Failure(KILLED)]
            half = len(jobs) // 2
            return self._launch(jobs[:half], first) + self._launch(jobs[half:], first + half)
