"""Collect finished runs and write the report: python report.py [runs=FOLDER] [out=FOLDER] [watch=true]"""

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from love_thy_neighbors.programs.start import fail, job, register_resolvers, run

register_resolvers()


def work(config: DictConfig) -> None:
    """Writes the report that ``config`` describes."""
    from love_thy_neighbors.report.options import options_of

    hydra_config = HydraConfig.get()
    given = [f"data={hydra_config.runtime.choices['data']}", *hydra_config.overrides.task]
    # Check the options first: Matplotlib and Torch take seconds to load.
    options = options_of(config, [text for text in given if text.startswith(("data=", "data."))])
    from love_thy_neighbors.report.program import report

    report(options)


@hydra.main(version_base="1.3", config_path="configs", config_name="report")
def main(config: DictConfig) -> None:
    """Called by Hydra."""
    try:
        job(work, config)
    except KeyboardInterrupt:
        fail("interrupted; every file below out= is complete, but some may be old.")


if __name__ == "__main__":
    run(main)
