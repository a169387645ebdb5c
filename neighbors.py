"""Make the neighbour lists that training looks for: python neighbors.py data=synthetic metadata=tags engine=ray"""

import hydra
from omegaconf import DictConfig

from love_thy_neighbors.cluster.engine import Engine
from love_thy_neighbors.programs.start import CONTINUES, as_text, job, plain, register_resolvers, run

register_resolvers()


def work(config: DictConfig) -> None:
    """Make the lists that ``config`` describes."""
    from love_thy_neighbors.runs.settings import check_neighbors

    settings = plain(config)
    check_neighbors(settings)
    engine = Engine(str(settings["engine"]), as_text(settings["ray"]["address"]))
    # Torch and Numba take seconds: they come late, so that mistakes are told at once.
    from love_thy_neighbors.programs.neighbors import make_lists

    make_lists(settings, engine)


@hydra.main(version_base="1.3", config_path="configs", config_name="neighbors")
def main(config: DictConfig) -> None:
    """Hydra's way in."""
    job(work, config)


if __name__ == "__main__":
    run(main, CONTINUES)
