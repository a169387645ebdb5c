"""The report as one HTML file with everything in it: it needs no network and no script."""

import base64
import os
import re
import struct
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from love_thy_neighbors.report.document import Cell, Gap, Report, Verdict
from love_thy_neighbors.report.estimates import Difference
from love_thy_neighbors.report.stacking import stacked
from love_thy_neighbors.report.tables_as_text import parts_of, text_of
from love_thy_neighbors.report.wording import counted
from love_thy_neighbors.visible import visible

MARKS = {
    Verdict.CONFIRMED: "✓",
    Verdict.CONSISTENT: "✓",
    Verdict.LEANING: "~",
    Verdict.ONE_SPLIT: "~",
    Verdict.NOT_CONFIRMED: "✗",
    Verdict.MISSING: "…",
}
_SYMBOL = re.compile(r"\b(mAP|Prec|Rec|W|n)_(L|I|O|y|test|train)\b")


def page(report: Report, pictures: dict[str, bytes], out: Path, made: str, reload_seconds: int | None) -> str:
    """The HTML of a report with the PNG of each figure by its name. Jinja escapes every text.

    ``out`` is the folder of the page, where its links start. ``made`` says when the page was made. The page loads
    itself again every ``reload_seconds`` (None: never).
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"symbols": symbols, "cell": cell_html, "duration": duration}
    return environment.get_template("page.html.jinja").render(
        report=report,
        picture_of=lambda name: _embedded(pictures[name]),
        address=lambda path: relative_address(path, out),
        stacked=stacked,
        counted=counted,
        made=made,
        reload_seconds=reload_seconds,
        style=Markup((Path(__file__).parent / "page.css").read_text(encoding="utf-8")),
    )


def _embedded(png: bytes) -> dict[str, object]:
    """A PNG as a data URI, with half its size as the size in CSS pixels, for screens with a high resolution."""
    width, height = struct.unpack(">II", png[16:24])  # from the first chunk
    source = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
    return {"source": source, "width": width // 2, "height": height // 2}


def relative_address(path: Path, out: Path) -> str:
    """The address of a file from a page in the folder ``out``."""
    return quote(Path(os.path.relpath(path, out)).as_posix())


def symbols(text: object) -> Markup:
    """Text with the paper's indices as subscripts, and percent signs that stay with their number.

    >>> symbols("mAP_L < 1")
    Markup('mAP<sub>L</sub> &lt; 1')
    """
    return Markup(_SYMBOL.sub(r"\1<sub>\2</sub>", str(escape(visible(str(text)))).replace(" %", "\N{NO-BREAK SPACE}%")))


def cell_html(cell: Cell, digits: int) -> Markup:
    """A cell's content; verdicts have a sign, not a colour alone."""
    if isinstance(cell, Verdict):
        kind = cell.value.replace(" ", "-")
        return Markup('<span class="verdict {}">{} {}</span>').format(kind, MARKS[cell], cell.value)
    if isinstance(cell, Gap):
        return Markup('<span class="gap">{}</span>').format(cell.value)
    if isinstance(cell, Difference):  # the interval may stand on a line of its own
        return Markup('{} <span class="interval">{}</span>').format(*(symbols(text) for text in parts_of(cell, digits)))
    return symbols(text_of(cell, digits))


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(75), duration(7300)
    ('1 min 15 s', '2 h 01 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
