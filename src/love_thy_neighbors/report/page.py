"""The report as one self-contained page: everything is embedded, nothing is fetched, no script runs."""

import base64
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from love_thy_neighbors.report.cells import is_number_column, signed, text_of
from love_thy_neighbors.report.document import Cell, Column, Figure, Gap, Note, Report, Table, Verdict
from love_thy_neighbors.report.galleries import Example, SplitScore, example_alt, split_score_alt
from love_thy_neighbors.report.themes import DARK, LIGHT

LARGEST_THUMBNAIL = 256 << 10  # bytes; ours have some kilobytes
LONG = 40  # characters of a cell that is broken into lines
MARKS = {
    Verdict.CONFIRMED: "✓",
    Verdict.CONSISTENT: "✓",
    Verdict.LEANING: "~",
    Verdict.ONE_SPLIT: "~",
    Verdict.NOT_CONFIRMED: "✗",
    Verdict.MISSING: "…",
}
_SYMBOL = re.compile(r"\b(mAP|Prec|Rec|W|n)_(L|I|O|y|test|train)\b")


def page(
    report: Report,
    pictures: dict[str, tuple[bytes, bytes]],
    thumbnails: Path,
    made: str,
    reload_seconds: int | None,
) -> str:
    """The HTML of a report. Every text is escaped by Jinja.

    Args:
        pictures: PNG of each figure, light and dark, by its name.
        thumbnails: folder of the collection's small pictures, <row>.webp.
        made: when the page was made, in words.
        reload_seconds: how often the page loads itself again; None for never.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"symbols": symbols, "cell": cell_html, "duration": duration, "signed": signed}
    environment.tests |= {
        "a_table": lambda block: isinstance(block, Table),
        "a_figure": lambda block: isinstance(block, Figure),
        "a_note": lambda block: isinstance(block, Note),
        "a_long_text": lambda cell: isinstance(cell, str) and len(cell) > LONG,
        "an_example": lambda card: isinstance(card, Example),
        "a_split_score": lambda card: isinstance(card, SplitScore),
    }
    embedded = {name: Embedded.of(light, dark) for name, (light, dark) in pictures.items()}
    return environment.get_template("page.html.jinja").render(
        report=report,
        pictures=embedded,
        thumbnail=lambda row: thumbnail(thumbnails, row),
        alt=lambda card: example_alt(card) if isinstance(card, Example) else split_score_alt(card),
        grouped=grouped,
        classes_of=classes_of,
        made=made,
        reload_seconds=reload_seconds,
        themes=(LIGHT, DARK),
        style=Markup((Path(__file__).parent / "page.css").read_text(encoding="utf-8")),
    )


@dataclass(frozen=True)
class Embedded:
    """A figure's data URIs, and its size on the page in CSS pixels: half its own, which is sharp on fine screens."""

    light: str
    dark: str
    width: int
    height: int

    @classmethod
    def of(cls, light: bytes, dark: bytes) -> "Embedded":
        """From two PNG files of one size, which stands in their first chunk."""
        width, height = struct.unpack(">II", light[16:24])
        return cls(_png(light), _png(dark), width // 2, height // 2)


def symbols(text: object) -> Markup:
    """Text with the paper's indices set low.

    >>> symbols("mAP_L < 1")
    Markup('mAP<sub>L</sub> &lt; 1')
    """
    return Markup(_SYMBOL.sub(r"\1<sub>\2</sub>", str(escape(text))))


def cell_html(cell: Cell, digits: int) -> Markup:
    """A cell's content; verdicts and missing numbers are marked by more than their colour."""
    if isinstance(cell, Verdict):
        kind = cell.value.replace(" ", "-")
        return Markup('<span class="verdict {}">{} {}</span>').format(kind, MARKS[cell], cell.value)
    if isinstance(cell, Gap):
        return Markup('<span class="gap">{}</span>').format(cell.value)
    return symbols(text_of(cell, digits))


def classes_of(table: Table) -> list[str]:
    """The style classes of each column."""
    return [
        " ".join(filter(None, ("number" * is_number_column(table, place), "paper" * column.paper)))
        for place, column in enumerate(table.columns)
    ]


def grouped(columns: tuple[Column, ...]) -> list[tuple[str, list[Column]]]:
    """Columns side by side that share a heading; each column without one by itself."""
    result: list[tuple[str, list[Column]]] = []
    for column in columns:
        if column.group and result and result[-1][0] == column.group:
            result[-1][1].append(column)
        else:
            result.append((column.group, [column]))
    return result


def thumbnail(folder: Path, row: int) -> str | None:
    """A small picture as a data URI; None if there is none, or the file is not what prepare.py writes."""
    path = folder / f"{row}.webp"
    try:
        if path.stat().st_size > LARGEST_THUMBNAIL:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    is_webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    return f"data:image/webp;base64,{_base64(content)}" if is_webp else None


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(75), duration(7300)
    ('1 min 15 s', '2 h 02 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _png(content: bytes) -> str:
    return f"data:image/png;base64,{_base64(content)}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
