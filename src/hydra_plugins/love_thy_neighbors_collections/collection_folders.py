"""The config of data=FOLDER, for a folder with a collection that prepare.py made.

configs/data has files for the collections of the paper. Any other value that holds a '/' or names a folder with a card
gives configs/data/collection.yaml with this folder as ``dir``.
"""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from love_thy_neighbors.programs.command_line import names_a_folder

GROUP = "data"


class CollectionFolders(ConfigSource):
    """A Hydra config source. Hydra asks the folder configs first, so the files there win."""

    @staticmethod
    def scheme() -> str:
        return "collection-folders"

    def load_config(self, config_path: str) -> ConfigResult:
        folder = _folder(config_path).replace("${", "\\${")  # the name of a folder is never an interpolation
        node = {"defaults": ["/data/collection@_here_", "_self_"], "dir": folder}
        return ConfigResult(self.provider, self.full_path(), OmegaConf.create(node), header={"package": None})

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return config_path.rstrip("/") == GROUP

    def is_config(self, config_path: str) -> bool:
        return names_a_folder(_folder(config_path))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        return []


def _folder(config_path: str) -> str:
    """FOLDER of data/FOLDER, and '' for a config of another group; Hydra may add .yaml."""
    group, _, folder = config_path.partition("/")
    return folder.removesuffix(".yaml") if group == GROUP else ""


class CollectionFoldersPath(SearchPathPlugin):
    """Adds `CollectionFolders` behind the folder configs."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("love_thy_neighbors", f"{CollectionFolders.scheme()}://")
