"""What a job's result depends on, and the name of its folder.

Two commands that ask for the same result share a folder, so a finished job is found again, an unfinished one can be
continued, and jobs of a sweep that start in the same second never collide.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

# Where the work is shown, stored or run; none of it changes a number.
PRESENTATION = (
    "logger",
    "cluster",
    "resume",
    "overwrite",
    "baseline",
    "logs",
    "cache",
    "experiment",
)
# What only a model that looks at neighbours depends on.
NEIGHBORHOOD = ("metadata", "test_metadata", "m", "M", "tau", "pool", "neighborhoods")


def identity(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that its result depends on, with the collection's fingerprint."""
    kept = {key: value for key, value in config.items() if key not in PRESENTATION}
    if not kept["model"]["neighbors"]:
        kept = {key: value for key, value in kept.items() if key not in NEIGHBORHOOD}
    hidden = (
        "dir",
        "hyperparameters",
    )  # the folder's content counts, not its place; hyperparameters count where used
    kept["data"] = {key: value for key, value in kept["data"].items() if key not in hidden}
    kept["data"]["fingerprint"] = fingerprint(Path(config["data"]["dir"]))
    return kept


def fingerprint(folder: Path) -> str:
    """Hash of a collection's card, which holds hashes of its files; 'missing' where there is no card."""
    card = folder / "card.json"
    return hashlib.sha256(card.read_bytes()).hexdigest()[:16] if card.is_file() else "missing"


def run_name(config: dict[str, Any]) -> str:
    """A folder name that a person can read and that differs whenever `identity` does.

    >>> # openclipart-neighborhood-tags-m3-M6-split-0-seed0-1f2e3d4c
    """
    kept = identity(config)
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:8]
    parts = [config["data"]["name"], config["model"]["name"]]
    if config["model"]["neighbors"]:
        kinds = [config["metadata"]["type"], config["test_metadata"]["type"]]
        parts += [
            "-to-".join(dict.fromkeys(kinds)),
            f"m{config['m']}",
            f"M{config['M']}",
            f"pool-{config['pool']}",
        ]
    parts += [f"split{config['split']}", f"seed{config['seed']}", digest]
    return "-".join("".join(c if c.isalnum() or c in "-_." else "_" for c in str(part)) for part in parts)
