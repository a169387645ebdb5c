"""What a job's result depends on, the name of its folder, and the finished run that it needs.

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
# What only a model that is trained depends on.
TRAINING = CONTINUABLE
# What only a model that looks at neighbours depends on.
NEIGHBORHOOD = ("metadata", "test_metadata", "m", "M", "tau", "pool", "overlap", "neighborhoods")
# What a measure that needs no model depends on.
SURVEYS = {
    "statistics": ("measure", "data", "keep_unlabelled"),
    "label_correlation": ("measure", "data", "keep_unlabelled", "split", "split_by", "pool", "tau"),
}


def is_trained(config: dict[str, Any]) -> bool:
    """Whether the job's model, if it has one, is fitted by gradient descent."""
    return config["measure"] not in SURVEYS and config["model"]["trained"]


def identity(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that its result depends on, with the collection's fingerprint."""
    if config["measure"] in SURVEYS:
        kept = {key: config[key] for key in SURVEYS[config["measure"]]}
    else:
        left_out = {
            *PRESENTATION,
            *ALIASES,
            *(() if config["model"]["neighbors"] else NEIGHBORHOOD),
            *(() if config["model"]["trained"] else TRAINING),
        }
        kept = {key: value for key, value in config.items() if key not in left_out}
    if kept.get("overlap") is not None:
        kept["overlap"] = float(kept["overlap"])  # 1 and 1.0 are one setting
    # The folder's content counts, not its place; hyperparameters count where they are used.
    kept["data"] = {key: value for key, value in config["data"].items() if key not in ("dir", "hyperparameters")}
    kept["data"]["fingerprint"] = fingerprint(Path(config["data"]["dir"] or "") / "card.json")
    if "trainer" in kept:
        kept["trainer"] = {k: value for k, value in config["trainer"].items() if k not in PRESENTATION_OF_TRAINER}
    if kept.get("ckpt_path") is not None:
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


def needed_run(config: dict[str, Any]) -> dict[str, Any] | None:
    """The config of the run that has to be finished before this job can be done, or None.

    A model is trained once for all the metadata that it is tested with (Table 4, Figure 8): the run that trains it is
    the one that is tested as it was trained. A weighted vote of visual-only scores needs the visual-only run.
    """
    run = config | {"baseline": None, "overwrite": False, "measure": "annotation"}
    if config["measure"] in SURVEYS:
        return None
    if config["measure"] == "score_parts":
        return run
    model = config["model"]
    if "visual" in model:
        return run | {"model": model["visual"]} | model["visual_hyperparameters"]
    if not (model["neighbors"] and model["trained"]):
        return None
    as_trained = {"test_metadata": config["metadata"], "overlap": None if config["overlap"] is None else 1.0}
    return run | as_trained if any(config[key] != value for key, value in as_trained.items()) else None


def run_name(config: dict[str, Any]) -> str:
    """A folder name that a person can read and that differs whenever `identity` does.

    For example ``openclipart-neighborhood-tags-m3-M6-pool-split-split0-seed0-1f2e3d4c``.
    """
    kept = identity(config)
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:8]
    parts = [config["data"]["name"]]
    if config["measure"] != "annotation":
        parts.append(config["measure"])
    if "model" in kept:
        parts.append(config["model"]["name"])
    if "metadata" in kept:
        kinds = [config["metadata"]["type"], config["test_metadata"]["type"]]
        parts += ["-to-".join(dict.fromkeys(kinds)), f"m{config['m']}", f"M{config['M']}", f"pool-{config['pool']}"]
    if kept.get("overlap") is not None:
        parts.append(f"overlap{kept['overlap']}")
    parts += [f"{key}{config[key]}" for key in ("split", "seed") if key in kept]
    return "-".join("".join(c if c.isalnum() or c in "-_." else "_" for c in str(part)) for part in [*parts, digest])
