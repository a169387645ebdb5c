"""The split that the settings of a run choose."""

from love_thy_neighbors.collection.loading import Collection
from love_thy_neighbors.runs.settings import SplitSettings
from love_thy_neighbors.splits import Split, given_split, make_split


def split_collection(collection: Collection, settings: SplitSettings) -> Split:
    """The split of a collection that the settings describe; see `splits`."""
    if settings.by == "release":
        assert collection.splits is not None
        given = collection.splits[settings.number]
        return given_split(given, collection.labels, keep_unlabelled=settings.keep_unlabelled)
    return make_split(
        collection.labels,
        settings.sizes,
        settings.number,
        sets=collection.metadata["sets"] if settings.by == "set" else None,
        keep_unlabelled=settings.keep_unlabelled,
        discard=collection.without_metadata if settings.discard_without_metadata else None,
    )
