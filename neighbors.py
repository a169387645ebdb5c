"""Make neighbour lists before training needs them: python neighbors.py data=synthetic metadata=tags engine=ray"""

import hydra
from omegaconf import DictConfig

from love_thy_neighbors.cluster.engine import Engine
from love_thy_neighbors.programs.start import CONTINUES, as_text, job, plain, register_resolvers, run

register_resolvers()


def work(config: DictConfig) -> None:
    """Make the lists that ``config`` describes."""
    from love_thy_neighbors.runs.requirements import check_neighbors
    from love_thy_neighbors.runs.rules import check_neighbor_keys
    from love_thy_neighbors.runs.settings import collection_settings, neighbor_settings, split_settings

    values = plain(config)
    check_neighbor_keys(values)
    collection, split, neighbors = collection_settings(values), split_settings(values), neighbor_settings(values)
    check_neighbors(collection, split, neighbors)
    engine = Engine(str(values["engine"]), as_text(values["ray"]["address"]))
    # Torch and Numba take seconds to import: mistakes are reported before.
    from love_thy_neighbors.programs.neighbors import make_lists

    make_lists(collection, split, neighbors, engine, values["block"], values["deep"])


@hydra.main(version_base="1.3", config_path="configs", config_name="neighbors")
def main(config: DictConfig) -> None:
    """Hydra's way in."""
    job(work, config)


if __name__ == "__main__":
    run(main, CONTINUES)
