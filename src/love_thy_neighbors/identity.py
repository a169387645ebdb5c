"""What a job's result depends on, and the name of its folder.

Two commands that ask for the same result share a folder, so a finished job is found again, an unfinished one can be
continued, and jobs of a sweep that start in the same second never collide.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

# Where the work is shown, stored or run; none of it changes a number.
PRESENTATION = ("logger", "resume", "overwrite", "baseline", "logs", "cache")
PRESENTATION_OF_TRAINER = ("enable_progress_bar", "enable_model_summary", "log_every_n_steps", "profiler")
# Root keys that count where they are used, in model.arguments and metadata, if at all.
ALIASES = ("h", "dropout", "tau")
# A run may go on from another run's checkpoint if nothing but these differs between the two.
CONTINUABLE = ("epochs", "lr", "l2", "rmsprop_decay", "batch_size", "trainer", "ckpt_path")
# What only a model that looks at neighbours depends on.
NEIGHBORHOOD = ("metadata", "test_metadata", "m", "M", "tau", "pool", "neighborhoods")


def identity(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that its result depends on, with the collection's fingerprint."""
    left_out = {*PRESENTATION, *ALIASES, *(() if config["model"]["neighbors"] else NEIGHBORHOOD)}
    kept = {key: value for key, value in config.items() if key not in left_out}
    kept["trainer"] = {key: value for key, value in config["trainer"].items() if key not in PRESENTATION_OF_TRAINER}
    # The folder's content counts, not its place; hyperparameters count where they are used.
    kept["data"] = {key: value for key, value in config["data"].items() if key not in ("dir", "hyperparameters")}
    kept["data"]["fingerprint"] = fingerprint(Path(config["data"]["dir"] or "") / "card.json")
    if config["ckpt_path"] is not None:
        kept["ckpt_path"] = fingerprint(Path(config["ckpt_path"]))
    return kept


def fingerprint(path: Path) -> str:
    """Hash of a file, a collection's card (which holds hashes of its files) or a checkpoint; 'missing' without one."""
    if not path.is_file():
        return "missing"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Keys that keep a run from going on from another's checkpoint: all that differ but `CONTINUABLE`."""
    keys = (ours.keys() | theirs.keys()) - {*CONTINUABLE}
    return sorted(key for key in keys if ours.get(key) != theirs.get(key))


def run_name(config: dict[str, Any]) -> str:
    """A folder name that a person can read and that differs whenever `identity` does.

    For example ``openclipart-neighborhood-tags-m3-M6-pool-split-split0-seed0-1f2e3d4c``.
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
