"""What a run's result depends on, the name of its folder, and the finished run that it needs.

Two commands that ask for the same result share a folder. So a finished run is found again, an interrupted one can be
continued, and jobs of a sweep that start in the same second never write into one folder.
"""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from love_thy_neighbors.collection.card import collection_fingerprint
from love_thy_neighbors.runs.rules import ALL
from love_thy_neighbors.runs.settings import NeighborSettings, Settings, TrainingSettings

# Arguments of the Trainer that show or time the work and change no number.
PRESENTATION = ("enable_progress_bar", "enable_model_summary", "log_every_n_steps", "profiler")
PRECISION = 0.9  # the default of precision
LONGEST_NAME = 60  # characters of a collection's name in that of a run folder: file systems allow 255 in all
# A run may continue from the checkpoint of a run that differs in these keys only.
CONTINUABLE = ("epochs", "lr", "l2", "schedule", "rmsprop_decay", "batch_size", "trainer", "callbacks", "ckpt_path")


def identity(settings: Settings) -> dict[str, Any]:
    """What the result of a run depends on, as plain types: the ``config`` of results.json and of the model folder.

    A collection counts by the hash of its card, not by its place (`collection.card.collection_fingerprint`).
    """
    split, collection = settings.split, settings.collection
    kept: dict[str, Any] = {
        "measure": settings.measure,
        "data": {
            "name": collection.name,
            "backbone": collection.backbone,
            "split_sizes": list(split.sizes),
            "discard_without_metadata": split.discard_without_metadata,
            "fingerprint": collection_fingerprint(collection.folder, collection.backbone),
        },
        "keep_unlabelled": split.keep_unlabelled,
    }
    if settings.measure == "statistics":
        return kept
    if settings.scored_by is not None and settings.smoothing is not None:
        return _smoothed(settings, settings.scored_by, settings.smoothing)
    kept |= {"split": split.number, "split_by": split.by}
    if settings.measure == "label_correlation":
        kept |= {"pool": settings.neighbors.pool, "tau": settings.neighbors.tau}
        return kept | ({"vocabulary": "pool"} if settings.neighbors.vocabulary == "pool" else {})
    kept |= {"model": dict(settings.model.plain), "seed": settings.seed, "top_n": settings.top_n}
    if settings.precision != PRECISION:  # so runs before version 0.2, which lacked the key, keep their names
        kept["precision"] = settings.precision
    if settings.model.neighbors:
        kept |= _neighbors(settings)
    if settings.training is not None:
        kept |= _training(settings.training)
    return kept


def _smoothed(settings: Settings, scored_by: Settings, smoothing: NeighborSettings) -> dict[str, Any]:
    """All that the trained model depends on, and the neighbours whose scores are mixed."""
    neighbors = {key: value for key, value in asdict(smoothing).items() if key != "cache"}
    neighbors = {key: list(value) if isinstance(value, tuple) else value for key, value in neighbors.items()}
    return identity(scored_by) | {"model": dict(settings.model.plain), "smoothing": neighbors}


def _neighbors(settings: Settings) -> dict[str, Any]:
    neighbors, neighborhoods = settings.neighbors, _neighborhoods(settings)
    named = {key: getattr(neighbors, key) for key in ("relations", "test_relations")}
    return {
        "metadata": asdict(neighbors.metadata),
        "test_metadata": asdict(neighbors.test_metadata),
        **({} if settings.model.relational else {"m": neighborhoods.pop("m")}),
        "M": neighbors.M,
        "pool": neighbors.pool,
        "overlap": neighbors.overlap,
        "neighborhoods": neighborhoods,
        # Only where they differ from the paper's: runs of earlier versions are found again under their names.
        **({"vocabulary": "pool"} if neighbors.counts_pool else {}),
        **({"rename_test": True} if neighbors.rename_test else {}),
        **{key: list(value) for key, value in named.items() if value is not None},
    }


def _neighborhoods(settings: Settings) -> dict[str, Any]:
    """Those settings of neighborhoods that the model reads; ``thin`` only where it is not the paper's."""
    kept = asdict(settings.neighborhoods)
    shrinkage = kept.pop("shrinkage")
    if kept["thin"] == 1:
        del kept["thin"], kept["deep"]
    if settings.model.relational:
        kept = {key: kept[key] for key in ("drop", "thin", "deep") if key in kept} | {"lambda": shrinkage}
    return kept


def _training(training: TrainingSettings) -> dict[str, Any]:
    checkpoint = training.checkpoint
    # Without callbacks the key is left out, so that runs of versions without them are found.
    callbacks = {"callbacks": {**training.callbacks}} if training.callbacks else {}
    return {
        **{key: getattr(training, key) for key in ("lr", "l2", "rmsprop_decay", "epochs", "batch_size")},
        "ckpt_path": None if checkpoint is None else fingerprint(checkpoint),
        "trainer": {key: value for key, value in training.trainer.items() if _counts(key, value)},
        **callbacks,
        **({} if training.schedule == "constant" else {"schedule": training.schedule}),
        **({} if training.loss == "logistic" else {"loss": training.loss}),
    }


def _counts(key: str, value: Any) -> bool:
    """Whether an argument of the Trainer may change a number; tf32=false does not, and older runs lack it."""
    return key not in PRESENTATION and (key, value) != ("tf32", False)


def fingerprint(path: Path) -> str:
    """16 hexadecimal digits of a file's SHA-256; 'missing' if there is no such file."""
    if not path.is_file():
        return "missing"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """The keys, but for `CONTINUABLE`, in which two identities differ: they keep a run from the other's checkpoint."""
    keys = (ours.keys() | theirs.keys()) - {*CONTINUABLE}
    return sorted(key for key in keys if ours.get(key) != theirs.get(key))


def needed_run(settings: Settings) -> Settings | None:
    """The run that has to be finished before this job, or None.

    A model is trained once for all metadata that it is tested with (Table 4, Figure 8), by the run that tests it with
    the metadata of training. A model that weighs or mixes the scores of another model needs that one's run.
    """
    if not settings.has_model:
        return None
    if settings.scored_by is not None:
        return replace(settings.scored_by, neighbors=as_trained(settings.scored_by.neighbors))
    if settings.measure == "score_parts":
        return replace(settings, measure="annotation", baseline=None)
    neighbors = settings.neighbors
    if not settings.model.neighbors or settings.training is None or neighbors.tested_as_trained:
        return None
    return replace(settings, neighbors=as_trained(neighbors), baseline=None)


def as_trained(neighbors: NeighborSettings) -> NeighborSettings:
    """The same neighbours in training, and the same choice of them at test time."""
    overlap = None if neighbors.overlap is None else 1.0
    return replace(neighbors, test_metadata=neighbors.metadata, overlap=overlap, rename_test=False, test_relations=None)


def _sizes(kept: dict[str, Any]) -> list[str]:
    return [f"{key}{kept[key]}" for key in ("m", "M") if key in kept]


def run_name(settings: Settings) -> str:
    """A folder name that a person can read and that differs whenever `identity` does.

    For example ``openclipart-neighborhood-tags-m3-M6-pool-split-split0-seed0-1f2e3d4c``.
    """
    kept = identity(settings)
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:8]
    parts = [settings.collection.name[:LONGEST_NAME]]
    if settings.measure != "annotation":
        parts.append(settings.measure)
    if "model" in kept:
        parts.append(settings.model.name)
    if settings.smoothing is not None and settings.scored_by is not None:
        parts.append(settings.scored_by.model.name)
    if "metadata" in kept:
        neighbors = settings.neighbors
        names = dict.fromkeys([ALL], "+".join(neighbors.relations or [ALL]))
        kinds = [names.get(kept[key]["type"], kept[key]["type"]) for key in ("metadata", "test_metadata")]
        kinds += [] if neighbors.test_relations is None else ["+".join(map(str, neighbors.test_relations))]
        parts += ["-to-".join(dict.fromkeys(kinds)), *_sizes(kept), f"pool-{kept['pool']}"]
    if "rename_test" in kept:
        parts.append("renamed")
    if kept.get("overlap") is not None:
        parts.append(f"overlap{kept['overlap']}")
    parts += [f"{key}{kept[key]}" for key in ("split", "seed") if key in kept]
    return "-".join("".join(c if c.isalnum() or c in "-_." else "_" for c in str(part)) for part in [*parts, digest])
