"""The settings of a run: the resolved config as a tree of frozen dataclasses, made and checked once.

`settings_of` checks every value (`rules`) and makes the tree. Functions take the part that they need. The meaning of
each key stands in configs/train.yaml and in the folders beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from love_thy_neighbors.runs.rules import ALL, WITHOUT_MODEL, check_keys, check_model
from love_thy_neighbors.runs.smoothing_rules import check_smoothing


@dataclass(frozen=True)
class CollectionSettings:
    """A collection's short name, its folder, and which of its feature tables is used (None: the first).

    card: the name that its card must have; None if any will do.
    """

    name: str
    folder: Path
    backbone: str | None
    card: str | None = None


@dataclass(frozen=True)
class SplitSettings:
    """Which split into training, validation and test images; see `splits.make_split`."""

    number: int
    sizes: list[float]
    by: str
    keep_unlabelled: bool
    discard_without_metadata: bool


@dataclass(frozen=True)
class ValuesSettings:
    """A metadata type (or 'union', 'visual', 'labels') and how many of its values count; None: all of them."""

    type: str
    tau: int | None


@dataclass(frozen=True)
class NeighborSettings:
    """Who the neighbours are: by which metadata in training and at test time, out of which pool, and how many (M).

    overlap: share of tags that the vocabularies of training and testing have in common; None for one vocabulary.
    tau: how many tags count where no metadata setting says it (Figure 6).
    vocabulary: 'train' or 'pool': the images on which the tau most frequent values are counted.
    rename_test: True to give every value of the test images a name that no other image has.
    relations: with the metadata type 'all', which types of the collection have a tower; None for every type.
    test_relations: for each tower the type that it looks at when test images are scored, None for none; None as a
        whole: the types of training, or ``test_metadata`` (`relations.tested_relations`).
    """

    metadata: ValuesSettings
    test_metadata: ValuesSettings
    M: int
    pool: str
    overlap: float | None
    tau: int
    cache: Path
    vocabulary: str = "train"
    rename_test: bool = False
    relations: tuple[str, ...] | None = None
    test_relations: tuple[str | None, ...] | None = None

    @property
    def tested_as_trained(self) -> bool:
        """Whether test images find their neighbours as training images do."""
        same_names = self.overlap in (None, 1) and not self.rename_test
        return self.metadata == self.test_metadata and self.test_relations is None and same_names

    @property
    def counts_pool(self) -> bool:
        """Whether the result depends on the most frequent values of the pool, and not of the training images."""
        limited = any(values.tau is not None for values in (self.metadata, self.test_metadata))
        return self.vocabulary == "pool" and limited and self.overlap is None


@dataclass(frozen=True)
class NeighborhoodSettings:
    """How neighborhoods of m images are drawn from the M nearest; see ``neighborhoods`` in configs/train.yaml.

    thin: the probability that an entry of a training list of ``deep`` neighbours is kept in an epoch, or 'auto'.
    shrinkage: lambda, of relational models.
    """

    m: int
    train: int | str
    test: int | str
    fill: str
    drop: float
    thin: float | str = 1
    deep: int = 100
    shrinkage: float = 0.3


@dataclass(frozen=True)
class TrainingSettings:
    """RMSProp, L2, batches and epochs (section 3.4); ``trainer`` is passed to Lightning's Trainer as it is, and so are
    the objects of ``callbacks``, a config by name.

    schedule: of lr over the epochs, see `training.schedules`. loss: see `training.losses`.
    """

    lr: float
    l2: float
    rmsprop_decay: float
    epochs: int
    batch_size: int
    checkpoint: Path | None
    trainer: Mapping[str, Any]
    callbacks: Mapping[str, Any]
    schedule: str = "constant"
    loss: str = "logistic"


@dataclass(frozen=True)
class ModelSettings:
    """One file of configs/model.

    target: the model's class, as ``package.module.Class``.
    neighbors: whether the model sees neighbours.
    relational: whether it sees them as one mean feature for each metadata type (`relational.RelationalModel`).
    values: the sparse binary vector that the model sees besides, or None.
    voters, candidates: of models in which neighbours vote: who votes, and the numbers that are tried.
    plain: the model in results.json and the model folder.
    """

    name: str
    target: str
    neighbors: bool
    values: ValuesSettings | None
    arguments: Mapping[str, Any]
    voters: ValuesSettings | None
    voters_pool: str | None
    candidates: Mapping[str, list[Any]]
    plain: Mapping[str, Any]
    relational: bool = False


@dataclass(frozen=True)
class Settings:
    """All settings of one job.

    training: None for a model that is not trained by gradient descent, and for a measure without a model.
    scored_by: the run of the trained model whose scores this model weighs or mixes, or None.
    smoothing: the neighbours whose scores are mixed with an image's own, or None.
    precision: share of suggested labels that should be right, for the figures of suggestions.
    """

    measure: str
    collection: CollectionSettings
    split: SplitSettings
    neighbors: NeighborSettings
    neighborhoods: NeighborhoodSettings
    model: ModelSettings
    training: TrainingSettings | None
    scored_by: "Settings | None"
    smoothing: NeighborSettings | None
    seed: int
    top_n: int
    precision: float
    baseline: str | None
    logger: Mapping[str, Any]
    logs: Path
    resume: bool
    overwrite: bool

    @property
    def has_model(self) -> bool:
        """Whether the measure is one of a model, not of the collection alone."""
        return self.measure not in WITHOUT_MODEL


def settings_of(config: dict[str, Any]) -> Settings:
    """The settings of a resolved training config, given as plain dictionaries and lists.

    Raises `UserError` naming the first key that breaks a rule, and the cure.
    """
    check_keys(config)
    has_model = config["measure"] not in WITHOUT_MODEL
    if has_model:
        check_model(config)
    scored_by = _scored_by(config) if has_model else None
    smooths = scored_by is not None and "of" in config["model"]
    return Settings(
        measure=config["measure"],
        collection=collection_settings(config),
        split=split_settings(config),
        neighbors=neighbor_settings(config),
        neighborhoods=_neighborhoods(config),
        model=_model(config["model"]),
        training=_training(config) if has_model and config["model"]["trained"] else None,
        scored_by=scored_by,
        smoothing=_smoothing(config, scored_by) if scored_by is not None and smooths else None,
        seed=config["seed"],
        top_n=config["top_n"],
        precision=float(config["precision"]),
        baseline=config["baseline"],
        logger=config["logger"],
        logs=Path(config["logs"]),
        resume=config["resume"],
        overwrite=config["overwrite"],
    )


def collection_settings(config: dict[str, Any]) -> CollectionSettings:
    """The part of a checked config that names a collection."""
    data = config["data"]
    return CollectionSettings(str(data["name"]), Path(data["dir"]), data["backbone"], data.get("card"))


def split_settings(config: dict[str, Any]) -> SplitSettings:
    """The part of a checked config that describes a split."""
    sizes, discard = (config["data"][key] for key in ("split_sizes", "discard_without_metadata"))
    return SplitSettings(config["split"], sizes, config["split_by"], config["keep_unlabelled"], discard)


def neighbor_settings(config: dict[str, Any]) -> NeighborSettings:
    """The part of a checked config that says who the neighbours are."""
    metadata, test_metadata = (ValuesSettings(**config[key]) for key in ("metadata", "test_metadata"))
    overlap = None if config["overlap"] is None else float(config["overlap"])
    others = (config["M"], config["pool"], overlap, config["tau"], Path(config["cache"]))
    relations, test_relations = (
        None if config.get(key) is None else tuple(config[key]) for key in ("relations", "test_relations")
    )
    named = (config["vocabulary"], config["rename_test"], relations, test_relations)
    return NeighborSettings(metadata, test_metadata, *others, *named)


def _neighborhoods(config: dict[str, Any]) -> NeighborhoodSettings:
    given = config["neighborhoods"]
    others = {key: value for key, value in given.items() if key != "lambda"}  # a word of Python's own
    return NeighborhoodSettings(m=config["m"], **others, shrinkage=given["lambda"])


def _model(model: Mapping[str, Any]) -> ModelSettings:
    voters = model.get("voters")
    return ModelSettings(
        name=model["name"],
        target=model["_target_"],
        neighbors=model["neighbors"],
        values=None if model["values"] is None else ValuesSettings(**model["values"]),
        arguments=model.get("arguments", {}),
        voters=None if voters is None else ValuesSettings(voters["type"], voters["tau"]),
        voters_pool=None if voters is None else voters["pool"],
        candidates=model.get("candidates", {}),
        plain=_plain(model),
        relational=model.get("relational", False),
    )


def _plain(model: Mapping[str, Any]) -> dict[str, Any]:
    """A model's config without its class, and without the table of hyperparameters, which count where they are used."""
    kept = {key: value for key, value in model.items() if key not in ("_target_", "hyperparameters")}
    return kept | {key: _plain(model[key]) for key in ("visual", "of") if key in model}


def _training(config: dict[str, Any]) -> TrainingSettings:
    numbers = {key: config[key] for key in ("lr", "l2", "rmsprop_decay", "epochs", "batch_size")}
    checkpoint = None if config["ckpt_path"] is None else Path(config["ckpt_path"])
    callbacks = config.get("callbacks") or {}
    how = {"trainer": config["trainer"], "callbacks": callbacks, "schedule": config["schedule"], "loss": config["loss"]}
    return TrainingSettings(**numbers, checkpoint=checkpoint, **how)


def _scored_by(config: dict[str, Any]) -> Settings | None:
    """The settings of the run whose scores the configured model weighs or mixes; None for another model."""
    model, alone = config["model"], {"measure": "annotation", "baseline": None, "overwrite": False}
    if "visual" in model:
        return settings_of(config | model["visual_hyperparameters"] | {"model": model["visual"]} | alone)
    if "of" not in model:
        return None
    check_smoothing(config)
    if not model["of"].get("relational"):  # then they are for the mixture alone
        alone |= {"relations": None}
    return settings_of(config | {"model": model["of"]} | alone)


def _smoothing(config: dict[str, Any], scored_by: Settings) -> NeighborSettings:
    """The neighbours whose scores are mixed: by the types of a relational model, else by every type.

    Test images find theirs by ``test_metadata``, if it is not the type of training.
    """
    neighbors = replace(neighbor_settings(config), M=config["model"]["M"])
    if scored_by.model.relational:
        return neighbors
    every = ValuesSettings(ALL, neighbors.tau)
    test = every if neighbors.test_metadata == neighbors.metadata else neighbors.test_metadata
    return replace(neighbors, metadata=every, test_metadata=test)
