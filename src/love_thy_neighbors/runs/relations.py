"""The relations of a run: the metadata types that a relational model has a tower for, in training and at test time."""

from collections.abc import Sequence

from love_thy_neighbors.errors import CollectionLacksError
from love_thy_neighbors.runs.rules import ALL
from love_thy_neighbors.runs.settings import NeighborSettings, ValuesSettings

LIMITED = ("tags", "union")  # types of which only the tau most frequent tags count


def trained_relations(neighbors: NeighborSettings, there: Sequence[str]) -> list[ValuesSettings]:
    """The metadata types in training, one a tower: those of ``relations``, every type that is ``there``, or
    ``metadata``."""
    if neighbors.metadata.type != ALL:
        return [neighbors.metadata]
    return [_values(name, neighbors.metadata.tau) for name in neighbors.relations or there]


def tested_relations(neighbors: NeighborSettings, trained: Sequence[ValuesSettings]) -> list[ValuesSettings | None]:
    """What each tower looks at when test images are scored; None for a tower that gets no neighbours.

    Without ``test_relations`` a ``test_metadata`` that has a tower is looked at by this tower alone; a type that was
    not there in training is looked at by every tower.

    Raises `CollectionLacksError` if ``test_relations`` has not one entry for each tower.
    """
    given, test = neighbors.test_relations, neighbors.test_metadata
    names = [one.type for one in trained]
    if given is not None:
        if len(given) != len(trained):
            raise CollectionLacksError(
                f"test_relations: has {len(given)} entries, but the model has {len(trained)} towers, for "
                f"{', '.join(names)}; give one entry for each, null for none."
            )
        return [None if name is None else _values(name, neighbors.tau) for name in given]
    if test == neighbors.metadata:
        return list(trained)
    if test.type in names:
        return [test if name == test.type else None for name in names]
    return [test] * len(trained)


def _values(name: str, tau: int | None) -> ValuesSettings:
    return ValuesSettings(name, tau if name in LIMITED else None)
