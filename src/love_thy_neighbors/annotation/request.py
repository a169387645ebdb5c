"""What a user asks for: which photos, whose neighbours, how sure."""

from dataclasses import dataclass, field
from pathlib import Path

from love_thy_neighbors.annotation.picture_folders import PictureFolder
from love_thy_neighbors.annotation.plans import IMAGES, NEIGHBOURS
from love_thy_neighbors.errors import UserError, require_whole


@dataclass(frozen=True)
class Request:
    """The keys of configs/annotate.yaml that say what is suggested; raises `UserError` for values that make no sense.

    photos: a folder of pictures, or ``collection``: a collection that prepare.py made.
    archive: a collection whose photos may be neighbours too. neighbours: 'new', 'archive', 'both' or 'none'; None is
        'both' with an archive and in the collection that the model was trained on, else 'new'.
    metadata: the type that chooses neighbours; None is the model's own.
    images: only of the collection that the model was trained on; see `plans.plan_for_own`.
    tau: values of that type that count, the most frequent; None is as many as in training.
    precision: share of suggestions that should be right. top: labels listed for each photo, suggested or not.
    reading: how a folder of pictures is read.
    """

    photos: Path | str | None = None
    collection: Path | str | None = None
    archive: Path | str | None = None
    neighbours: str | None = None
    metadata: str | None = None
    images: str | None = None
    tau: int | None = None
    precision: float = 0.9
    top: int = 5
    reading: PictureFolder = field(default_factory=PictureFolder)

    def __post_init__(self) -> None:
        if (self.photos is None) == (self.collection is None):
            raise UserError("photos: give either a folder of pictures (photos=DIR) or a collection (collection=DIR).")
        if self.photos is not None and not Path(self.photos).is_dir():
            raise UserError(f"photos: {self.photos} is not a folder; give the folder of the pictures.")
        for key, known in (("neighbours", NEIGHBOURS), ("images", IMAGES)):
            value = getattr(self, key)
            if value is not None and value not in known:
                raise UserError(f"{key}: '{value}' is not known; use {', '.join(known)}.")
        precision = self.precision
        if type(precision) not in (int, float) or not 0 < precision < 1:
            raise UserError(f"precision: must be a number above 0 and below 1, not {precision}.")
        require_whole("top", self.top, 0)
        if self.tau is not None:
            require_whole("tau", self.tau, 1)
