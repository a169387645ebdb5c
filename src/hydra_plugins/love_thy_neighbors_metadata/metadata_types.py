"""The configs of metadata=NAME and test_metadata=NAME, for any metadata type that a collection may have.

configs/metadata has files for the types that need a comment. Every other NAME gives ``{type: NAME, tau: null}``, and
test_metadata=NAME gives the same as metadata=NAME. `runs.settings` checks that the collection has the type.
"""

import re

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

GROUPS = ("metadata", "test_metadata")
KNOWN = ["all", "groups", "sets", "tags", "union", "visual"]  # what --help lists
_CONFIG = re.compile(r"(metadata|test_metadata)/([A-Za-z][\w-]*)(?:\.yaml)?", re.ASCII)


class MetadataTypes(ConfigSource):
    """A Hydra config source. Hydra asks the folder configs first, so the files there win."""

    @staticmethod
    def scheme() -> str:
        return "metadata-types"

    def load_config(self, config_path: str) -> ConfigResult:
        named = _CONFIG.fullmatch(config_path)
        assert named is not None
        group, name = named.groups()
        node = {"type": name, "tau": None} if group == "metadata" else {"defaults": [f"/metadata/{name}@_here_"]}
        return ConfigResult(self.provider, self.full_path(), OmegaConf.create(node), header={"package": None})

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return config_path.rstrip("/") in GROUPS

    def is_config(self, config_path: str) -> bool:
        return _CONFIG.fullmatch(config_path) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        return KNOWN if self.is_group(config_path) and results_filter != ObjectType.GROUP else []


class MetadataTypesPath(SearchPathPlugin):
    """Adds `MetadataTypes` behind the folder configs."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("love_thy_neighbors", f"{MetadataTypes.scheme()}://")
