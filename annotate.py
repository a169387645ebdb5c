"""Suggest labels, write what was approved, undo it: python annotate.py run=logs/runs/RUN photos=DIR out=DIR"""

import hydra
from omegaconf import DictConfig

from love_thy_neighbors.programs.start import CONTINUES, job, let_idle_threads_sleep, register_resolvers, run

register_resolvers()
let_idle_threads_sleep()


def work(config: DictConfig) -> None:
    """Do what ``config`` asks for: suggest, write or undo."""
    from love_thy_neighbors.programs.annotate import annotate, choices_of

    annotate(choices_of(config))


@hydra.main(version_base="1.3", config_path="configs", config_name="annotate")
def main(config: DictConfig) -> None:
    """Hydra's way in."""
    job(work, config)


if __name__ == "__main__":
    run(main, CONTINUES)
