"""What a run asks of its collection, checked on the collection's card before anything is loaded."""

from love_thy_neighbors.collection.card import metadata_types, read_card
from love_thy_neighbors.collection.columns import has_column
from love_thy_neighbors.errors import CollectionLacksError, UserError
from love_thy_neighbors.runs.relations import tested_relations, trained_relations
from love_thy_neighbors.runs.rules import ALL
from love_thy_neighbors.runs.settings import CollectionSettings, NeighborSettings, Settings, SplitSettings

COLUMNS = {"owner": "owner", "time": "taken", "column": "split"}  # of images.parquet, by split_by
WITHOUT_METADATA = ("visual", "labels")  # neighbours by features; the true labels as an input


def check_collection(settings: Settings) -> None:
    """Raise `UserError` if the collection lacks the splits or the metadata that a run needs; reads no data."""
    model = settings.model
    if settings.scored_by is not None and settings.smoothing is not None:
        check_collection(settings.scored_by)
        check_neighbors(settings.collection, settings.split, settings.smoothing)
        return
    looks_up = settings.has_model and model.neighbors
    inputs = [values.type for values in (model.values, model.voters) if values] if settings.has_model else []
    wanted = {f"model={model.name}": kind for kind in inputs[:1]}
    check_neighbors(settings.collection, settings.split, settings.neighbors if looks_up else None, wanted)


def check_neighbors(
    collection: CollectionSettings,
    split: SplitSettings,
    neighbors: NeighborSettings | None,
    wanted: dict[str, str] | None = None,
) -> None:
    """The same for the parts of the settings that neighbors.py has.

    neighbors: None if no neighbours are looked up. wanted: metadata types that something else needs, by what needs it.
    """
    check_name(collection)
    wanted = {**(wanted or {}), **({"split_by=set": "sets"} if split.by == "set" else {})}
    if neighbors is not None:
        kinds = {"metadata": neighbors.metadata.type, "test_metadata": neighbors.test_metadata.type}
        wanted |= {f"{key}={kind}": kind for key, kind in kinds.items() if kind != ALL}
        wanted |= {f"relations={kind}": kind for kind in neighbors.relations or ()}
        wanted |= {f"test_relations={kind}": kind for kind in neighbors.test_relations or () if kind}
        if neighbors.overlap is not None and set(kinds.values()) != {"tags"}:
            raise UserError(f"overlap={neighbors.overlap}: divides a vocabulary of tags; give metadata=tags.")
        if neighbors.rename_test and kinds["test_metadata"] == "visual":
            raise UserError("rename_test=true: test_metadata=visual has no names; give test_metadata=tags.")
    _check_given_splits(collection, split)
    _check_column(collection, split)
    there = metadata_types(collection.folder)
    for who, kind in wanted.items():
        if kind not in there and kind not in WITHOUT_METADATA and not (kind == "union" and there):
            listed = ", ".join(there) or "no metadata at all"
            raise CollectionLacksError(f"{who}: the collection in {collection.folder} has no {kind}; it has {listed}.")
    if neighbors is not None and neighbors.metadata.type == ALL:
        if not there:
            raise CollectionLacksError(
                f"metadata={ALL}: the collection in {collection.folder} has no metadata at all; give model=visual_mlp."
            )
        tested_relations(neighbors, trained_relations(neighbors, there))


def check_name(collection: CollectionSettings) -> None:
    """Raise `UserError` if a file in configs/data is used for another collection than its own."""
    found = read_card(collection.folder).get("name")
    if collection.card is not None and found != collection.card:
        raise UserError(
            f"data.dir={collection.folder}: this is the collection '{found}', but data={collection.name} is for "
            f"'{collection.card}' alone; give data={collection.folder} and no data.dir."
        )


def _check_given_splits(collection: CollectionSettings, split: SplitSettings) -> None:
    if split.by != "release":
        return
    count = (read_card(collection.folder).get("splits") or {}).get("count", 0)
    if split.number >= count:
        there = f"splits 0 to {count - 1}" if count else "no splits of its own"
        raise CollectionLacksError(
            f"split_by=release: the collection in {collection.folder} has {there}, but split={split.number} is asked "
            "for; give one of them, or split_by=image."
        )


def _check_column(collection: CollectionSettings, split: SplitSettings) -> None:
    if split.by not in COLUMNS:
        return
    column = COLUMNS[split.by]
    if not has_column(collection.folder, column):
        raise UserError(
            f"split_by={split.by}: {collection.folder / 'images.parquet'} has no column '{column}'; make the "
            f"collection again from records with '{column}', or give split_by=image."
        )
    if split.by != "owner" and split.number:
        raise CollectionLacksError(
            f"split: split_by={split.by} is not random and has only split 0; give split=0, or split_by=image."
        )
