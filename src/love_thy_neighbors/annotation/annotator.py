"""A trained model that suggests labels for photos: `Annotator`."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from torch import nn

from love_thy_neighbors.annotation.annotating import Method, annotate, remove_unfinished
from love_thy_neighbors.annotation.files import ABOUT, read_about, read_annotation
from love_thy_neighbors.annotation.own_files import NAMES, own_names
from love_thy_neighbors.annotation.picture_folders import collection_of_pictures, matching_table
from love_thy_neighbors.annotation.plans import Plan, plan_for_new, plan_for_own, plan_for_updated
from love_thy_neighbors.annotation.relational_scoring import RelationalScorer
from love_thy_neighbors.annotation.request import Request
from love_thy_neighbors.annotation.scoring import Scorer
from love_thy_neighbors.atomic import replace_folder
from love_thy_neighbors.calibration.confidence import Confidence
from love_thy_neighbors.collection.card import UPDATE, collection_fingerprint, sha256
from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.ownership import MARK, require_own
from love_thy_neighbors.relational import RelationalModel
from love_thy_neighbors.runs.model_folder import (
    ALL,
    CONFIDENCE,
    CONFIG,
    NONE,
    SPLIT,
    WEIGHTS,
    load_model,
    model_folder,
    read_confidence,
)
from love_thy_neighbors.sources.writing import partial_folder


class Annotator:
    """Suggests labels for photos, with probabilities and reasons.

    >>> annotator = Annotator.load("logs/runs/<run>")                               # doctest: +SKIP
    >>> table = annotator.suggest("photos/")                                        # doctest: +SKIP
    >>> table.to_pandas().query("suggested")[["file", "label", "probability"]]      # doctest: +SKIP
    """

    def __init__(
        self, folder: Path, model: nn.Module, about: dict[str, Any], confidence: dict[str, Confidence]
    ) -> None:
        self.folder, self.model, self.about, self.confidence = folder, model, about, confidence

    @classmethod
    def load(cls, path: Path | str) -> "Annotator":
        """The model in a model folder or run folder; raises `UserError` if it is missing or damaged."""
        folder = model_folder(Path(path))
        model, about = load_model(folder)
        names = len(about["labels"])
        read = read_confidence(folder).items()
        confidence = {key: Confidence.from_dict(one, names, f"{folder / CONFIDENCE}: {key}") for key, one in read}
        if NONE not in confidence:
            other = "the run of another model, such as model=neighborhood"
            if "scored_by" in about:
                other = f"the run {about['scored_by']}, whose scores it mixes"
            raise UserError(
                f"{folder / CONFIDENCE}: the model {about['model']['name']} needs more than features and neighbours, "
                f"so it cannot score new photos; give {other}."
            )
        if about["neighbours"] is not None and not {SPLIT, ALL} <= confidence.keys():
            raise UserError(f"{folder / CONFIDENCE}: lacks '{SPLIT}' or '{ALL}'; copy the folder again.")
        annotator = cls(folder, model, about, confidence)
        annotator._try()
        return annotator

    @property
    def labels(self) -> list[str]:
        """The names of the labels, in the order of the columns of scores.npy."""
        return list(self.about["labels"])

    def suggest(
        self,
        photos: Path | str | None = None,
        *,
        out: Path | str | None = None,
        overwrite: bool = False,
        **keys: Any,
    ) -> pa.Table:
        """The suggestions for a folder of pictures as an Arrow table; columns: `annotation.files.suggestions_schema`.

        keys: those of `request.Request`, such as ``collection``, ``archive``, ``neighbours`` and ``precision``.
        out: the annotation folder to write, see `write`; None writes none. overwrite: replace what is in ``out``.

        Raises `UserError` naming the key or file that does not fit.
        """
        request = Request(photos, **keys)
        if out is not None:
            self.write(request, Path(out), overwrite=overwrite)
            return read_annotation(Path(out)).suggestions
        with tempfile.TemporaryDirectory(prefix="annotation-") as name:
            annotate(self._plan(request, Path(name)), self._method(request), Path(name))
            return read_annotation(Path(name)).suggestions

    def write(
        self, request: Request, out: Path, *, overwrite: bool = False, finish: Callable[[Path], None] | None = None
    ) -> None:
        """Write the annotation folder ``out``. An interrupted call continues when it is made again.

        finish: called with the finished folder before it gets its name ``out``, to add files.
        Raises `UserError` naming the key or file that does not fit.
        """
        _check_outside(out, request)
        check_free(out, overwrite)
        with partial_folder(out, NAMES) as partial:
            (partial / "progress.json").touch()  # tells partial_folder to keep unfinished work
            annotate(self._plan(request, partial), self._method(request), partial)
            if finish is not None:
                finish(partial)
            check_free(out, overwrite)
            replace_folder(partial, out, own_names(out))
            remove_unfinished(out)
            for name in ("progress.json", MARK):
                (out / name).unlink(missing_ok=True)

    def _plan(self, request: Request, partial: Path) -> Plan:
        pictures = None if request.photos is None else Path(request.photos)
        if pictures is not None:
            folder = collection_of_pictures(pictures, self.about["backbone"], partial, request.reading)
            new = self._collection(folder, "photos")
        else:
            new = self._collection(Path(str(request.collection)), "collection")
        if self.is_own(new):
            if request.archive is not None:
                raise UserError(
                    "archive: the model was trained on this collection, so its labelled photos are the archive."
                )
            if request.tau is not None:
                raise UserError(
                    "tau: of the model's own collection, the run's own vocabulary counts; leave this key out."
                )
            return plan_for_own(self.about, new, request.images, request.neighbours, request.metadata)
        if request.images is not None:
            why = "only for the collection that the model was trained on"
            if self.was_own(new.card):
                why = f"{new.folder} was updated since the model was trained, so its split is another one"
            raise UserError(f"images: {why}; leave this key out, or train again.")
        if self.was_own(new.card) and request.archive is None:
            return plan_for_updated(self.about, new, request.neighbours, request.metadata, request.tau)
        archive = None if request.archive is None else self._collection(Path(request.archive), "archive")
        return plan_for_new(self.about, new, archive, request.neighbours, request.metadata, request.tau, pictures)

    def is_own(self, collection: Collection) -> bool:
        """Whether the model was trained on these photos; their collection may have got other features since."""
        trained, photos = self.about["trained_on"], collection.card.get("images_sha256")
        same_photos = photos is not None and photos == trained.get("images_sha256")
        found = collection_fingerprint(collection.folder, collection.features.backbone)
        return same_photos or bool(found == trained["fingerprint"])

    def was_own(self, card: dict[str, Any]) -> bool:
        """Whether the collection with this card was that of the model before prepare.py has updated it."""
        return self.about["trained_on"].get("images_sha256") in (card.get(UPDATE) or {}).get("earlier", [])

    def require_known(self, folder: Path) -> None:
        """Raise `UserError` unless the model was trained on the collection in ``folder``, or on it before an update."""
        new = self._collection(folder, "collection")
        if not self.is_own(new) and not self.was_own(new.card):
            raise UserError(
                f"run: the collection in {folder} is not the one that the model was trained on, it was made again "
                f"since then; train again, or give collection={folder} to score all its photos as new ones."
            )

    def _collection(self, folder: Path, key: str) -> Collection:
        return load_collection(folder, matching_table(folder, self.about["backbone"], key))

    def _try(self) -> None:
        """Score a made-up photo; raises `UserError` if the parts of the model folder do not fit each other."""
        scorer = self._scorer()
        photo = np.zeros((1, scorer.dim), dtype=np.float32)
        lists = np.zeros((1, scorer.relations), dtype=np.int64)
        try:
            relational = isinstance(scorer, RelationalScorer)
            total = scorer.score(photo, photo, lists, lists.astype(np.float32 if relational else bool)).total
        except (RuntimeError, TypeError, AttributeError) as error:
            raise UserError(
                f"{self.folder / CONFIG}: backbone.dim or neighbours do not fit the model "
                f"({str(error).splitlines()[0]}); copy the folder again."
            ) from None
        if total.shape != (1, len(self.about["labels"])):
            raise UserError(f"{self.folder / CONFIG}: has other labels than the model; copy the folder again.")
        if not np.isfinite(total).all():
            raise UserError(
                f"{self.folder / WEIGHTS}: its scores are not numbers: the training has diverged, or the file is "
                "damaged; train again, or copy the folder again."
            )

    def _scorer(self) -> Scorer | RelationalScorer:
        neighbours, dim = self.about["neighbours"], self.about["backbone"]["dim"]
        if isinstance(self.model, RelationalModel):
            return RelationalScorer(self.model, neighbours["lambda"], dim)
        return Scorer(self.model, None if neighbours is None else neighbours["m"], dim)

    def _method(self, request: Request) -> Method:
        neighbours = self.about["neighbours"]
        M = 0 if neighbours is None else neighbours["M"]
        key = "".join(sha256(self.folder / name) for name in (WEIGHTS, CONFIG, CONFIDENCE))
        top = min(request.top, len(self.about["labels"]))
        return Method(self._scorer(), self.about, key, M, self.confidence, request.precision, top)


def check_free(out: Path, overwrite: bool) -> None:
    """Raise `UserError` if ``out`` exists and may not be replaced."""
    if not out.exists() and not out.is_symlink():
        return
    if out.is_symlink():
        raise UserError(f"out: {out} is a link; give the folder itself, or a new one.")
    if not out.is_dir() or (any(out.iterdir()) and not _is_annotation(out)):
        raise UserError(
            f"out: {out} exists and is not an annotation (its {ABOUT} is missing, damaged or of something else), so it "
            "is not replaced; give a new folder."
        )
    if (out / "journal.jsonl").is_file():
        raise UserError(
            f"out: {out} records labels that were written to sidecars; give a new folder, to be able to undo that."
        )
    require_own(out, own_names(out), "out: ")
    if not overwrite:
        raise UserError(f"out: {out} exists; give a new folder, or overwrite=true to replace it.")


def _is_annotation(folder: Path) -> bool:
    try:
        read_about(folder)
    except UserError:
        return False
    return True


def _check_outside(out: Path, request: Request) -> None:
    """Raise `UserError` if what is read lies inside ``out``: it would be deleted when ``out`` is replaced."""
    for key in ("photos", "collection", "archive"):
        given = getattr(request, key)
        if given is not None and Path(given).resolve().is_relative_to(out.resolve()):
            raise UserError(f"out: {key}={given} lies inside {out}, which is to be replaced; give a new folder.")
