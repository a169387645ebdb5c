"""Who the neighbours are, in training and at test time: the queries that the settings of a run ask for."""

from collections.abc import Sequence
from dataclasses import replace

from love_thy_neighbors.neighbors.lists import NeighborQuery, Overlap
from love_thy_neighbors.runs.relations import tested_relations, trained_relations
from love_thy_neighbors.runs.settings import NeighborSettings

Queries = Sequence[NeighborQuery | None]


def neighbor_queries(neighbors: NeighborSettings, split: int) -> tuple[NeighborQuery, NeighborQuery]:
    """Who the neighbours are in training and validation, and at test time, for the split of that number."""
    # The two vocabularies are drawn anew for each split, so their chance is part of the deviation over splits.
    overlaps = (
        [None, None]
        if neighbors.overlap is None
        else [Overlap(neighbors.overlap, second, split) for second in (False, True)]
    )
    first, second = (
        NeighborQuery(metadata.type, metadata.tau, neighbors.pool, overlap, neighbors.vocabulary)
        for metadata, overlap in zip((neighbors.metadata, neighbors.test_metadata), overlaps, strict=True)
    )
    return first, replace(second, renamed=neighbors.rename_test)


def relation_queries(neighbors: NeighborSettings, split: int, there: Sequence[str]) -> tuple[Queries, Queries]:
    """The same for every tower of a relational model; None for a tower that gets no neighbours at test time.

    there: the metadata types of the collection.
    """
    first, second = neighbor_queries(neighbors, split)
    trained = trained_relations(neighbors, there)
    return (
        [replace(first, kind=one.type, tau=one.tau) for one in trained],
        [
            None if one is None else replace(second, kind=one.type, tau=one.tau)
            for one in tested_relations(neighbors, trained)
        ],
    )
