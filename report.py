"""Collect finished runs and write the report: python report.py [runs=FOLDER] [out=FOLDER] [watch=true]"""

import hydra
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from love_thy_neighbors.programs.start import fail, job, register_resolvers, run

register_resolvers()


def work(config: DictConfig) -> None:
    """Write the report that ``config`` describes."""
    from love_thy_neighbors.report.newest import newest_data
    from love_thy_neighbors.report.options import options_of, run_folders

    given = HydraConfig.get().overrides.task
    data = [text for text in given if text.startswith(("data=", "data."))]
    if not data and (data := newest_data(run_folders(config))):
        config = compose(HydraConfig.get().job.config_name or "report", [*given, *data])
    choice = f"data={HydraConfig.get().runtime.choices['data']}"
    options = options_of(config, [*([] if any(text.startswith("data=") for text in data) else [choice]), *data])
    # Matplotlib and Torch take seconds to import: mistakes are reported before
    from love_thy_neighbors.report.program import report

    report(options)


@hydra.main(version_base="1.3", config_path="configs", config_name="report")
def main(config: DictConfig) -> None:
    """Hydra's way in."""
    try:
        job(work, config)
    except KeyboardInterrupt:
        fail("interrupted; the files below out= that are there are whole.")


if __name__ == "__main__":
    run(main)
