"""The relational model: what its parts are good for, and metadata that is missing or other at test time."""

from collections.abc import Callable, Sequence
from typing import Any

from love_thy_neighbors.report.context import Context, origin
from love_thy_neighbors.report.document import Block, Cell, Column, Gap, Note, Origin, Row, Table
from love_thy_neighbors.report.matching import Config, Runs
from love_thy_neighbors.report.sections.annotation import TYPES, visual_line

# What a row of `ABLATION` may change: where a run's config has it.
CHANGED: dict[str, Callable[[Config], Any]] = {
    "thin": lambda config: config["neighborhoods"]["thin"],
    "lambda": lambda config: config["neighborhoods"]["lambda"],
    "views": lambda config: config["model"]["arguments"].get("views"),
    "members": lambda config: config["model"]["arguments"].get("members"),
    "loss": lambda config: config["loss"],
    "metadata": lambda config: config["metadata"]["type"],
}
ABLATION: dict[str, dict[str, Any]] = {
    "not thinned": {"thin": 1},
    "lambda = 0": {"lambda": 0},
    "trained with all types alone (views = 0)": {"views": 0},
    "the mean of 3 models (members = 3)": {"members": 3},
    "with the logistic loss, batches of 50": {"loss": "logistic"},
    "one tower: tags": {"metadata": "tags"},
    "one tower: all metadata together": {"metadata": "union"},
}
SMOOTHED = {  # model.of: the row
    "relational": "Relational model, its scores mixed with those of neighbours (smoothed)",
    "visual_mlp": "The image tower alone, its scores mixed with those of neighbours (smoothed)",
}
TO_PAPERS, TO_MLP = "difference to the paper's model [95 %]", "difference to the image tower alone [95 %]"
CONDITIONS = {
    "all types": TYPES,
    **{f"without {one}": tuple(None if one == other else other for other in TYPES) for one in TYPES},
    **{f"only {one}": tuple(one if one == other else None for other in TYPES) for one in TYPES},
    "no neighbours at all": (None, None, None),
    "each tower with another type's neighbours": ("sets", "groups", "tags"),
}


def relational(context: Context) -> tuple[list[Block], list[Origin]]:
    """A row for each change to the relational model, beside the paper's model and the image tower alone."""
    rows, origins = [], []
    for pool in ("split", "all"):
        of_pool = context.matched.runs("relational", lambda config, pool=pool: config["pool"] == pool)  # type: ignore[misc]
        papers, mlp = _papers(of_pool, thinned=False), context.model("visual_mlp")
        named = {
            "The paper's model": papers,
            "The paper's model, thinned": _papers(of_pool, thinned=True),
            "The paper's model, thinned, with the asymmetric loss": _papers(of_pool, thinned=True, loss="asymmetric"),
        }
        if pool == "split":
            named["The image tower alone"] = mlp
        named |= _ablation(of_pool) | {name: _smoothed(of_pool, scored) for scored, name in SMOOTHED.items()}
        suffix = "" if pool == "split" else ", neighbours of all parts (pool=all)"
        for name, runs in named.items():
            if not runs.planned:
                continue
            of_papers = Gap.NONE if runs is papers else runs.minus(papers)
            of_mlp = Gap.NONE if runs is mlp else runs.minus(mlp)
            rows.append(Row((name + suffix, runs.splits, runs.estimate("mAP_L"), of_papers, of_mlp)))
            origins += origin(name + suffix, runs)
    caption = (
        "The relational model and what it has without one of its parts, percent, mean ± standard deviation over "
        "splits. A row names the one thing that is changed."
    )
    columns = (Column("model"), Column("splits"), Column("mAP_L"), Column(TO_PAPERS), Column(TO_MLP))
    return [Note(visual_line(context)), Table("relational", caption, columns, tuple(rows))], origins


def _papers(runs: Runs, thinned: bool, loss: str = "logistic") -> Runs:
    return runs.where(
        lambda config: (
            config["model"]["name"] == "neighborhood"
            and (config["neighborhoods"]["thin"] == "auto") == thinned
            and config["loss"] == loss
        )
    )


def _smoothed(runs: Runs, scored: str) -> Runs:
    return runs.where(lambda config: config["model"].get("of", {}).get("name") == scored)


def _ablation(runs: Runs) -> dict[str, Runs]:
    """The relational model as it is, and with each change by itself."""
    runs = runs.where(lambda config: config["model"]["name"] == "relational")
    if not runs.planned:
        return {}
    usual = {key: value(runs.planned[0].config) for key, value in CHANGED.items()}  # it comes first in the experiment
    rows: dict[str, dict[str, Any]] = {"": {}, **ABLATION}

    def has(values: dict[str, Any]) -> Callable[[Config], bool]:
        return lambda config: all(value(config) == values[key] for key, value in CHANGED.items())

    return {
        f"Relational model{', ' if name else ''}{name}": runs.where(has(usual | changed))
        for name, changed in rows.items()
        if not changed or changed.items() - usual.items()
    }


def other_metadata(context: Context) -> tuple[list[Block], list[Origin]]:
    """Test images that lack metadata types, that have another type or new tags; the paper's model beside it."""
    blocks: list[Block] = [Note(visual_line(context))]
    origins: list[Origin] = []
    for part in (_missing, _generalized, _tags):
        table, found = part(context)
        blocks.append(table)
        origins += found
    return blocks, origins


def _missing(context: Context) -> tuple[Table, list[Origin]]:
    mlp = context.model("visual_mlp")
    rows, origins = [], []
    for name, types in CONDITIONS.items():
        runs, plain = (context.matched.runs("other_metadata", _tested(types, views)) for views in (True, False))
        gains = (runs.minus(mlp), runs.minus(_papers_with(context, types)))
        of_plain = (plain.estimate("mAP_L"), plain.minus(mlp))
        rows.append(Row((name, runs.splits, runs.estimate("mAP_L"), *gains, *of_plain)))
        origins += origin(f"{name}, with views", runs) + origin(f"{name}, without views", plain)
    caption = (
        "mAP_L in percent, three towers (tags, sets, groups), by the metadata of the test images. The paper's model "
        "beside it is trained and tested with the one type that is there; with all types, with tags."
    )
    columns = (
        *(Column("test images have"), Column("splits"), Column("mAP_L"), Column(TO_MLP), Column(TO_PAPERS)),
        *(Column("mAP_L", "views = 0"), Column(TO_MLP, "views = 0")),
    )
    return Table("missing_metadata", caption, columns, tuple(rows)), origins


def _tested(types: Sequence[str | None], with_views: bool) -> Callable[[Config], bool]:
    def holds(config: Config) -> bool:
        tested = config["test_relations"] or config["relations"]
        return bool(
            config["relations"]
            and tuple(tested) == tuple(types)
            and (config["model"]["arguments"]["views"] > 0) == with_views
        )

    return holds


def _papers_with(context: Context, types: Sequence[str | None]) -> Runs:
    """The paper's model with the only type that is there; with tags for all types; else no runs."""
    there = [one for one in types if one is not None]
    if tuple(types) == TYPES:
        return context.neighbors_by("tags")
    return context.neighbors_by(there[0]) if len(there) == 1 else Runs(())


def _generalized(context: Context) -> tuple[Table, list[Origin]]:
    rows, origins = [], []
    for train in TYPES:
        cells: list[Cell] = [train]
        for test in TYPES:
            runs = context.matched.runs("other_metadata", _one_tower(train, test))
            cells += [runs.estimate("mAP_L"), runs.minus(context.generalized(train, test))]
            origins += origin(f"One tower, trained with {train}, tested with {test}", runs)
        rows.append(Row(tuple(cells)))
    columns = [Column("trained with")]
    for test in TYPES:
        columns += [Column(title, f"tested with {test}") for title in ("mAP_L", TO_PAPERS)]
    caption = "mAP_L in percent, one tower, for every pair of metadata in training and at test time, as Table 4."
    return Table("relational_generalization", caption, tuple(columns), tuple(rows)), origins


def _one_tower(train: str, test: str) -> Callable[[Config], bool]:
    return lambda config: (
        config["metadata"]["type"] == train
        and config["test_metadata"]["type"] == test
        and config["overlap"] is None
        and not config["rename_test"]
    )


def _tags(context: Context) -> tuple[Table, list[Origin]]:
    mlp, found = context.model("visual_mlp"), context.matched.runs("other_metadata")
    overlaps = found.where(lambda config: config["overlap"] is not None).by_key("overlap")
    named = {f"{100 * share:.0f} % of the tags in common": runs for share, runs in sorted(overlaps.items())[::-1]}
    papers = {
        name: context.matched.runs("vocabulary_overlap", lambda config, share=share: config["overlap"] == share)  # type: ignore[misc]
        for name, share in zip(named, sorted(overlaps)[::-1], strict=True)
    }
    renamed = "test tags all new"
    named[renamed] = found.where(lambda config: config["rename_test"] is True)
    papers[renamed] = context.matched.runs(
        "new_vocabulary", lambda config: config["rename_test"] is True and config["vocabulary"] == "pool"
    )
    rows, origins = [], []
    for name, runs in named.items():
        rows.append(Row((name, runs.splits, runs.estimate("mAP_L"), runs.minus(papers[name]), runs.minus(mlp))))
        origins += origin(f"One tower, tags: {name}", runs)
    columns = (Column("tags"), Column("splits"), Column("mAP_L"), Column(TO_PAPERS), Column(TO_MLP))
    caption = "mAP_L in percent, one tower by tags, when test images have other tags than training images, as Figure 8."
    return Table("relational_vocabulary", caption, columns, tuple(rows)), origins


SECTIONS = {
    "relational": ("The relational model, part by part", "not in the paper", relational),
    "other_metadata": ("Metadata that is missing or other at test time", "not in the paper", other_metadata),
}
