"""``annotate.py``: suggests labels for photos, writes decisions, and undoes what was written.

Torch and pyarrow take seconds to import, so the modules that need them are imported after the keys are checked.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.programs.start import as_text
from love_thy_neighbors.terminal import terminal

_PATHS = (
    *("run", "photos", "collection", "archive", "out", "weights", "ignore_tags"),
    *("write", "decisions", "vocabulary", "undo"),
)
_READING = (
    *("words", "ignore_tags", "iptc_charset", "exiftool", "on_error"),
    *("weights", "thumbnail", "batch_size", "workers", "device"),
)
_SUGGESTING = ("photos", "collection", "archive", "neighbours", "metadata", "images", "tau", "precision", "top")
NAMED = 20  # labels that are never suggested and are printed by name
# Keys that do nothing in another kind of work.
_ONLY_WITH = {
    "run": ("collection", "archive", "neighbours", "metadata", "images", "tau", "format", "weights"),
    "write": ("decisions", "vocabulary"),
}
FORMATS = ("label_studio", "fiftyone")


@dataclass(frozen=True)
class Choices:
    """The keys of configs/annotate.yaml as plain values; paths are `Path`, ``metadata`` is the name of a type."""

    work: str  # run, write or undo
    values: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]


def choices_of(config: DictConfig) -> Choices:
    """The checked keys; raises `UserError` for none or several of run=, write= and undo=, and for wrong types."""
    plain = OmegaConf.to_container(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]))
    assert isinstance(plain, dict)
    values: dict[str, Any] = {str(key): value for key, value in plain.items()}
    metadata = values.get("metadata")
    values["metadata"] = metadata["type"] if isinstance(metadata, dict) else metadata
    for key in _PATHS:
        text = as_text(values[key])
        values[key] = None if text is None else Path(text)
    asked = [key for key in ("run", "write", "undo") if values[key] is not None]
    if len(asked) != 1:
        given = " and ".join(f"{key}=" for key in asked) or "none of them"
        raise UserError(
            f"run: give one of run= (to suggest), write= and undo=, not {given}; see python annotate.py --help."
        )
    for work, keys in _ONLY_WITH.items():
        unused = [key for key in keys if values[key] is not None and work != asked[0]]
        if unused:
            raise UserError(f"{unused[0]}: is used with {work}= only, not with {asked[0]}=; leave it out.")
    if not isinstance(values["overwrite"], bool):
        raise UserError(f"overwrite: must be true or false, not {values['overwrite']}.")
    if values["dry_run"] not in (True, False, None):
        raise UserError(f"dry_run: must be true, false or null, not {values['dry_run']}.")
    if values["format"] not in (None, *FORMATS):
        raise UserError(f"format: '{values['format']}' is not known; use {' or '.join(FORMATS)}, or leave it out.")
    return Choices(asked[0], values)


def annotate(choices: Choices) -> None:
    """Do what the keys ask for."""
    if choices.work == "run":
        suggest(choices)
        return
    folder = choices[choices.work]
    if choices.work == "undo":
        from love_thy_neighbors.decisions.undo import undo

        undo(folder, dry_run=bool(choices["dry_run"]), photos=choices["photos"])
        return
    if choices["decisions"] is None:
        raise UserError("decisions: give the decisions.csv that the page exported (decisions=decisions.csv).")
    from love_thy_neighbors.decisions.writing import write_decisions

    keys = {key: choices[key] for key in ("photos", "naming", "vocabulary", "out", "overwrite")}
    dry_run = choices["dry_run"] is not False
    write_decisions(folder, choices["decisions"], choices["to"], dry_run=dry_run, **keys)


def suggest(choices: Choices) -> None:
    """Write an annotation folder with its page, and print what is in it."""
    values = dict(choices.values)
    if values["photos"] is None and values["collection"] is None:
        values |= _of_the_run(choices)
    from love_thy_neighbors.annotation.annotator import Annotator, check_free
    from love_thy_neighbors.annotation.picture_folders import PictureFolder
    from love_thy_neighbors.annotation.request import Request

    reading = PictureFolder(**{key: values[key] for key in _READING})
    keys = {key: values[key] for key in _SUGGESTING} | {"reading": reading}
    request = Request(**keys)  # its mistakes are reported before anything is loaded
    if values["out"] is None:
        raise UserError("out: give the folder to write (out=annotations/spring).")
    check_free(values["out"], values["overwrite"])
    annotator = Annotator.load(values["run"])
    if choices["photos"] is None and choices["collection"] is None:
        annotator.require_known(values["collection"])

    def finish(folder: Path) -> None:
        from love_thy_neighbors.annotation.exports import write_export
        from love_thy_neighbors.decision_page.page import write_page

        write_page(folder)
        if values["format"] is not None:
            write_export(folder, values["format"])

    annotator.write(request, values["out"], overwrite=values["overwrite"], finish=finish)
    print_annotation(values["out"])


def _of_the_run(choices: Choices) -> dict[str, Any]:
    """The keys that are not given: the run's own collection, and a folder in the run's folder."""
    from love_thy_neighbors.annotation.plans import TEST, UNLABELLED
    from love_thy_neighbors.collection.images_table import has_unlabelled
    from love_thy_neighbors.runs.results import RESULTS, read_results

    run = choices["run"]
    if not (run / RESULTS).is_file():
        raise UserError(
            f"run: {run} has no {RESULTS}, so it is not known which collection the model was trained on; give "
            "photos=DIR or collection=DIR."
        )
    collection = Path(read_results(run)["collection_dir"])
    part = choices["images"] or (UNLABELLED if has_unlabelled(collection) else TEST)
    return {"collection": collection, "out": choices["out"] or run / str(part)}


def print_annotation(folder: Path) -> None:
    """Print what an annotation holds, and what to do with it."""
    from love_thy_neighbors.annotation.files import read_about

    about, console = read_about(folder), terminal(highlight=False, soft_wrap=True)
    counts, asked = about.counts, f"{100 * about.precision:g} %"
    console.print(
        f"{counts['suggestions']:,} suggestions for {counts['photos_with_suggestions']:,} of {counts['photos']:,} "
        f"photos; about {asked} of them should be right."
    )
    if counts["doubtful_labels"]:
        console.print(f"{counts['doubtful_labels']:,} doubtful labels: given ones that look wrong, or missing ones.")
    if about.neighbours != "none" and counts["photos_without_neighbours"]:
        console.print(
            f"{counts['photos_without_neighbours']:,} photos without neighbours, scored by the picture alone."
        )
    never = about.never_suggested
    if never:
        more = f" and {len(never) - NAMED:,} more (thresholds in annotation.json)" if len(never) > NAMED else ""
        console.print(f"Never suggested, because {asked} cannot be reached: {', '.join(never[:NAMED])}{more}.")
    for note in about.notes:
        console.print(f"Note: {note}")
    console.print(f"Written to {folder}:")
    for name, meaning in (
        ("index.html", "the page: open it in a browser, say yes or no, export decisions.csv"),
        ("suggestions.csv", "the suggestions and their reasons; suggestions.parquet holds the same"),
        ("scores.npy", "the scores of all labels, one row for each row of photos.parquet"),
    ):
        console.print(f"  {name:16} {meaning}")
    console.print(f"Then: python annotate.py write={folder} decisions=decisions.csv to=xmp")
