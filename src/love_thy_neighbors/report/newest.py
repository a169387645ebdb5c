"""Which collection a report is about if the command does not say: that of the newest run."""

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from love_thy_neighbors.report.collected import stamp

MAX_BYTES = 1 << 20  # Hydra's file of a run has some kilobytes


def newest_data(folders: Sequence[Path]) -> list[str]:
    """The overrides of the group data, such as ``data=/photos/mine``, of the newest run below ``folders``.

    A relative path starts at the folder in which that command was given. Runs without Hydra's files, such as baselines,
    are passed over. Empty if no run is left, or if its command had no such overrides.
    """
    for path in sorted(found := stamp(folders), key=lambda one: found[one], reverse=True):
        try:
            text = (path.parent / "hydra" / "hydra.yaml").read_bytes()[:MAX_BYTES]
            hydra = yaml.safe_load(text)["hydra"]
            cwd, task = Path(hydra["runtime"]["cwd"]), list(map(str, hydra["overrides"]["task"]))
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError):
            continue
        return [_absolute(text, cwd) for text in task if text.startswith(("data=", "data."))]
    return []


def _absolute(override: str, cwd: Path) -> str:
    """``data=PATH`` or ``data.dir=PATH`` with the whole path, quoted; the name of a shipped collection stays."""
    key, value = override.split("=", 1)
    path = cwd / re.sub(r"^(['\"])(.*)\1$", r"\2", value)
    return f'{key}="{path}"' if key in ("data", "data.dir") and path.is_dir() else override
