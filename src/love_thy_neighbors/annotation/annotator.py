"""A trained model that suggests labels for photos: `Annotator`."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch import nn

from love_thy_neighbors.annotation.annotating import Method, annotate, remove_unfinished
from love_thy_neighbors.annotation.files import read_annotation
from love_thy_neighbors.annotation.picture_folders import collection_of_pictures, matching_table
from love_thy_neighbors.annotation.plans import Plan, plan_for_new, plan_for_own
from love_thy_neighbors.annotation.request import Request
from love_thy_neighbors.annotation.scoring import Scorer
from love_thy_neighbors.calibration.confidence import Confidence
from love_thy_neighbors.collection.card import collection_fingerprint, sha256
from love_thy_neighbors.collection.loading import Collection, load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.runs.model_folder import (
    CONFIDENCE,
    CONFIG,
    NONE,
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
            raise UserError(
                f"{folder / CONFIDENCE}: the model {about['model']['name']} needs more than features and neighbours, "
                "so it cannot score new photos; give the run of another model, such as model=neighborhood."
            )
        return cls(folder, model, about, confidence)

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
        finish: Callable[[Path], None] | None = None,
        **keys: Any,
    ) -> pa.Table:
        """The suggestions for a folder of pictures as an Arrow table; columns: `annotation.files.suggestions_schema`.

        keys: those of `request.Request`, such as ``collection``, ``archive``, ``neighbours`` and ``precision``.
        out: the annotation folder to write; None writes none. An interrupted call with ``out`` continues when it is
            made again. overwrite: replace the annotation in ``out``.
        finish: called with the finished folder before it gets its name ``out``, to add files.

        Raises `UserError` naming the key or file that does not fit.
        """
        request = Request(photos, **keys)
        with _place(out, overwrite) as partial:
            annotate(self._plan(request, partial), self._method(request), partial)
            if finish is not None:
                finish(partial)
            if out is None:
                return read_annotation(partial).suggestions
            _publish(partial, Path(out), overwrite)
            return read_annotation(Path(out)).suggestions

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
            raise UserError("images: only for the collection that the model was trained on; leave this key out.")
        archive = None if request.archive is None else self._collection(Path(request.archive), "archive")
        return plan_for_new(self.about, new, archive, request.neighbours, request.metadata, request.tau, pictures)

    def is_own(self, collection: Collection) -> bool:
        """Whether the model was trained on this collection."""
        found = collection_fingerprint(collection.folder, collection.features.backbone)
        return bool(found == self.about["trained_on"]["fingerprint"])

    def _collection(self, folder: Path, key: str) -> Collection:
        return load_collection(folder, matching_table(folder, self.about["backbone"], key))

    def _method(self, request: Request) -> Method:
        neighbours = self.about["neighbours"]
        m, M = (None, 0) if neighbours is None else (neighbours["m"], neighbours["M"])
        scorer = Scorer(self.model, m, self.about["backbone"]["dim"])
        key = "".join(sha256(self.folder / name) for name in (WEIGHTS, CONFIG, CONFIDENCE))
        top = min(request.top, len(self.about["labels"]))
        return Method(scorer, self.about, key, M, self.confidence, request.precision, top)


@contextmanager
def _place(out: Path | str | None, overwrite: bool) -> Iterator[Path]:
    """The partial folder of ``out``, or without ``out`` a temporary folder."""
    if out is None:
        with tempfile.TemporaryDirectory(prefix="annotation-") as name:
            yield Path(name)
        return
    check_free(Path(out), overwrite)
    with partial_folder(Path(out)) as partial:
        partial.mkdir(exist_ok=True)
        (partial / "progress.json").touch()  # tells partial_folder to keep unfinished work
        yield partial


def check_free(out: Path, overwrite: bool) -> None:
    """Raise `UserError` if ``out`` exists and may not be replaced."""
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir() or (any(out.iterdir()) and not (out / "annotation.json").is_file()):
        raise UserError(f"out: {out} exists and is not an annotation, so it is not replaced; give a new folder.")
    if (out / "journal.jsonl").is_file():
        raise UserError(
            f"out: {out} records labels that were written to sidecars; give a new folder, to be able to undo that."
        )
    if not overwrite:
        raise UserError(f"out: {out} exists; give a new folder, or overwrite=true to replace it.")


def _publish(partial: Path, out: Path, overwrite: bool) -> None:
    """Rename the finished folder to ``out``."""
    check_free(out, overwrite)
    if out.exists():
        old = out.with_name(f".{out.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        out.rename(old)
        partial.rename(out)
        shutil.rmtree(old)
    else:
        partial.rename(out)
    remove_unfinished(out)
    (out / "progress.json").unlink(missing_ok=True)
