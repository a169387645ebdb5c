"""Train a model on one split of a collection and compare it with visual-only: python train.py metadata=tags m=3 M=6"""

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from love_thy_neighbors.programs.default_model import with_default_model
from love_thy_neighbors.programs.own_run import continued, leave_task_number
from love_thy_neighbors.programs.start import (
    PRIMARY,
    baseline_settings,
    job,
    let_idle_threads_sleep,
    plain,
    register_resolvers,
    run,
)
from love_thy_neighbors.slurm.signals import answer_signals

register_resolvers()
let_idle_threads_sleep()


def work(config: DictConfig) -> float | None:
    """Do one job; returns its validation mAP_L, if any, which a hyperparameter search may maximise."""
    from love_thy_neighbors.runs.requirements import check_collection
    from love_thy_neighbors.runs.settings import settings_of

    values = continued(plain(config))
    settings = settings_of(values)
    check_collection(settings)
    # Torch and Lightning take seconds to import: mistakes are reported before.
    from love_thy_neighbors.training.quick_import import import_lightning

    import_lightning()
    from love_thy_neighbors.jobs.job import train_and_compare
    from love_thy_neighbors.runs.printing import print_config, print_start
    from love_thy_neighbors.training.processes import is_main_process

    hydra_config = HydraConfig.get()
    folder = Path(hydra_config.runtime.output_dir)
    if is_main_process():
        print_start(settings, folder)
        if values["verbose"]:
            print_config(values)
    return train_and_compare(
        settings,
        folder,
        baseline_settings(settings, hydra_config.overrides.task, hydra_config.job.config_name or PRIMARY),
        # In a sweep another process may be doing this very job already.
        wait=hydra_config.mode == RunMode.MULTIRUN,
    )


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def main(config: DictConfig) -> float | None:
    """Hydra's way in."""
    return job(work, config, checks_its_keys=True)


if __name__ == "__main__":
    answer_signals()
    leave_task_number(sys.argv[1:])
    run(main, further=with_default_model)
