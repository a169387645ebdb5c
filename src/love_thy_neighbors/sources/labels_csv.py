"""Labels in a table, as a spreadsheet saves it: which labels has each file?

`table_rows` reads CSV and .xlsx, `label_columns` knows the columns, `file_names` finds the files. What has one meaning
is accepted: empty rows, repeated lines, files under another spelling. What has none is left out, listed and counted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.file_names import Found
from love_thy_neighbors.sources.label_columns import LabelColumns, label_columns, shown
from love_thy_neighbors.sources.rejects import Rejects, RowError
from love_thy_neighbors.sources.table_rows import Row, table_rows

MOST_UNKNOWN = 0.5  # share of lines whose file is not there; with more, it is the table of other photos


class Names(Protocol):
    """What the cells of the first column are looked up in; `FileNames` is one."""

    def find(self, name: str) -> Found | None:
        """The entry that is called ``name``."""

    def hint(self, name: str) -> str:
        """The end of a message that there is none."""


@dataclass(frozen=True)
class GivenLabels:
    """``of`` has the sorted labels of each entry; ``rejects`` has the unusable lines, ``remarks`` are sentences for the
    user."""

    of: dict[str, tuple[str, ...]]
    rejects: Rejects
    counts: dict[str, int]
    remarks: list[str] = field(default_factory=list)


def read_labels(path: Path, key: str, names: Names, on_error: str, most_unknown: float = MOST_UNKNOWN) -> GivenLabels:
    """The labels in ``path``, whose column ``key`` ("file") has names that ``names`` finds.

    Labels become NFC, stripped. A line is unusable if its name is unknown, it has too many cells, or a cell that is not
    0 or 1 where it should be: it raises `UserError` with on_error 'stop', and goes to ``rejects`` with 'skip'. A line
    without labels is good, and repeated lines count once.

    Raises `UserError` if there is no such file, header or usable line, and if more than the share ``most_unknown`` of
    the lines have an unknown name.
    """
    word, rows = table_rows(path, key)
    numbered = list(rows)
    header = numbered[0] if numbered else (1, [])
    columns = _columns(path, key, word, header, [row for _, row in numbered[1:] if not isinstance(row, str)])
    lines = _Lines(key, columns, names, Rejects(str(path), word, on_error, total=len(numbered) - 1))
    for number, row in numbered[1:]:
        lines.add(number, row)
    if not lines.counts["label_lines"]:
        raise lines.rejects.empty()
    if lines.unknown > most_unknown * (lines.counts["label_lines"] + lines.unknown):
        raise lines.too_many_unknown()
    counts = {**lines.counts, "label_lines_left_out": len(lines.rejects.reasons), **_spellings(lines.found)}
    return GivenLabels(
        {name: tuple(sorted(labels)) for name, labels in lines.found.items()}, lines.rejects, counts, lines.remarks()
    )


def _columns(path: Path, key: str, word: str, header: Row, rows: Sequence[Sequence[str]]) -> LabelColumns:
    number, names = header
    columns = None if isinstance(names, str) else label_columns(names, rows, key)
    if columns is None:
        is_there = names if isinstance(names, str) else shown(",".join(names))
        raise UserError(
            f"{path}, {word} {number}: is {is_there}, not a header; write {key},label for one label a line, "
            f"{key},labels for all of them with semicolons between, or {key} and a column of 0 and 1 for each label."
        )
    return columns


def _spellings(found: Mapping[str, Iterable[str]]) -> dict[str, int]:
    spellings = Counter(label.casefold() for label in {label for labels in found.values() for label in labels})
    return {"labels_that_differ_from_another_in_capitals_only": sum(n for n in spellings.values() if n > 1)}


class _Lines:
    """The lines of a table so far: ``found`` has the labels of each entry, ``unknown`` counts names that are not known,
    ``respelt`` is the first line whose name was found under another spelling, ``whole`` that of a label which may be a
    list."""

    def __init__(self, key: str, columns: LabelColumns, names: Names, rejects: Rejects) -> None:
        self._key, self._columns, self._names, self.rejects = key, columns, names, rejects
        self.found: dict[str, set[str]] = {}
        self.unknown, self.respelt, self.whole = 0, "", ""
        kinds = ("", "_without_label", "_repeated", "_found_under_another_spelling")
        self.counts = dict.fromkeys((f"label_lines{kind}" for kind in kinds), 0)

    def add(self, number: int, row: Sequence[str] | str) -> None:
        """Add a line, or refuse it."""
        try:
            if isinstance(row, str):
                raise RowError(row)
            self._add(number, row)
        except RowError as error:
            self.rejects.refuse(number, str(error))

    def _add(self, number: int, row: Sequence[str]) -> None:
        name = row[self._columns.key] if self._columns.key < len(row) else ""
        labels = self._columns.labels(row)
        entry = self._names.find(name)
        if entry is None:
            self.unknown += 1
            raise RowError(f"names an unknown {self._key}, {shown(name)}{self._names.hint(name)}")
        self.counts["label_lines"] += 1
        self.counts["label_lines_without_label"] += not labels
        self.counts["label_lines_found_under_another_spelling"] += not entry.exact
        if not entry.exact and not self.respelt:
            self.respelt = f"{self.rejects.word} {number} names {shown(name)}, which is {shown(entry.path)}"
        if not self.whole and (whole := self._columns.kept_whole(labels)):
            self.whole = f"{self.rejects.word} {number}: {shown(whole)}"
        known = self.found.setdefault(entry.path, set())
        self.counts["label_lines_repeated"] += bool(labels) and known.issuperset(labels)
        known.update(labels)

    def too_many_unknown(self) -> UserError:
        """The error for a table that seems to be that of other photos."""
        total = self.counts["label_lines"] + self.unknown
        first = next(f"{n}: {why}" for n, why in sorted(self.rejects.reasons.items()) if "names an unknown" in why)
        return UserError(
            f"{self.rejects.where}: {self.unknown:,} of {total:,} {self.rejects.word}s name no {self._key} that is "
            f"there; the first is {self.rejects.word} {first}. Correct the names, or leave those lines out of "
            "the table."
        )

    def remarks(self) -> list[str]:
        """What the user should read about the table."""
        remarks = []
        if self.rejects.reasons:
            remarks.append(f"left out of the table of labels: {self.rejects.share()}. {self.rejects.first()}")
        if self.respelt:
            remarks.append(f"files found under another spelling: the first {self.respelt}")
        if self.whole:
            how = "name the column 'labels'" if self._columns.kind == "label" else "separate all with semicolons"
            remarks.append(f"labels that may be lists are taken whole, the first in {self.whole}; for lists, {how}")
        if self._columns.unread:
            remarks.append(f"columns of the table that are not read: {', '.join(self._columns.unread)}")
        if self._columns.kind == "marks":
            remarks.append(f"labels of the table, a column each: {', '.join(self._columns.columns.values())}")
        return remarks
