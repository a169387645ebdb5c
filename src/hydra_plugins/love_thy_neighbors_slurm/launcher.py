"""The launcher of cluster=slurm: submits the jobs of a sweep to SLURM, several to a job if wanted, and waits for them.

Hydra imports this module at every start, so heavy modules are imported where they are used.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


@dataclass
class SlurmSweepConf:
    """The config node hydra/launcher=slurm_sweep; configs/cluster/slurm.yaml explains its keys.

    Further keys, given with ``+``, are options of sbatch.
    """

    _target_: str = f"{__name__}.SlurmSweepLauncher"
    submitit_folder: str = "${hydra.sweep.dir}/slurm/%j"
    name: str = "${hydra.job.name}"
    runs_per_job: int = 1
    array_parallelism: int = 16
    timeout_min: int = 240
    signal_delay_s: int = 120
    max_num_timeout: int = 3
    nodes: int = 1
    tasks_per_node: int = 1
    cpus_per_task: int | None = None
    mem_gb: float | None = None
    gpus_per_node: int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    dependency: str | None = None
    nice: int | None = None
    mail_type: str | None = None
    mail_user: str | None = None
    setup: list[str] | None = None
    additional_parameters: dict[str, Any] = field(default_factory=dict)


ConfigStore.instance().store(group="hydra/launcher", name="slurm_sweep", node=SlurmSweepConf, provider="hydra")


class SlurmSweepLauncher(Launcher):
    """Hydra's way to `love_thy_neighbors.programs.slurm_sweep`."""

    def __init__(self, **options: Any) -> None:
        self.options: dict[str, Any] = {
            key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for key, value in options.items()
        }
        self.context: HydraContext | None = None
        self.task: TaskFunction | None = None
        self.config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before `launch`."""
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """The outcome of each job, in order."""
        from love_thy_neighbors.programs.slurm_run import Work
        from love_thy_neighbors.programs.slurm_sweep import launch

        assert self.context is not None
        assert self.task is not None
        assert self.config is not None
        work = Work(self.context, self.task, self.config, self.options["max_num_timeout"])
        return launch(work, self.options, job_overrides, initial_job_idx)
