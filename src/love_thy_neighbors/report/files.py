"""Writes report.md, tables/NAME.csv and .tex, figures/NAME.png and .pdf, and index.html."""

import io
from functools import partial
from pathlib import Path

from PIL import Image

from love_thy_neighbors.atomic import written_whole
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.report.document import Figure, Links, MissingRuns, Note, Report, Section, Table
from love_thy_neighbors.report.drawn_text import Fonts
from love_thy_neighbors.report.own_files import DOCUMENT, PAGE, TITLE, claim, give_up
from love_thy_neighbors.report.page import page
from love_thy_neighbors.report.tables_as_text import as_csv, as_latex, as_markdown, markdown
from love_thy_neighbors.report.wording import counted
from love_thy_neighbors.visible import one_line, say

DPI = 160


def write(report: Report, out: Path) -> dict[str, bytes]:
    """Writes everything but the page below ``out``, and returns the PNG of each figure by its name.

    Removes what only the report before it had. A figure takes about a second. Raises `UserError` if a file of one of
    these names is not the report's.
    """
    pictures: dict[str, bytes] = {}
    figures, fonts = report.figures(), Fonts()
    names = [DOCUMENT, PAGE, *(f"figures/{figure.name}.{kind}" for figure in figures for kind in ("png", "pdf"))]
    names += [f"tables/{table.name}.{kind}" for table in report.tables() for kind in ("csv", "tex")]
    claim(out, names)
    with progress_bar("figures", len(figures)) as advance:
        for figure in figures:
            pictures[figure.name], pdf = fonts.draw(partial(draw, figure))
            _write(out / "figures" / f"{figure.name}.png", pictures[figure.name])
            _write(out / "figures" / f"{figure.name}.pdf", pdf)
            advance(1)
    if (message := fonts.message()) is not None:
        say(message, stderr=True)
    for table in report.tables():
        _write(out / "tables" / f"{table.name}.csv", as_csv(table).encode())
        _write(out / "tables" / f"{table.name}.tex", as_latex(table).encode())
    _write(out / DOCUMENT, as_document(report).encode())
    give_up(out, names)
    return pictures


def draw(figure: Figure) -> tuple[bytes, bytes]:
    """A figure as PNG and as PDF, without a date: the same figure gives the same bytes."""
    drawing, pdf, png, small = figure.draw(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    drawing.savefig(pdf, format="pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None})
    drawing.savefig(png, format="png", dpi=DPI)
    with Image.open(png) as image:  # 256 colours take a third of the bytes, without a visible loss
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue(), pdf.getvalue()


def write_page(report: Report, pictures: dict[str, bytes], out: Path, made: str, reload_seconds: int | None) -> None:
    """Writes index.html; ``made`` says when. A page with ``reload_seconds`` loads itself again that often."""
    _write(out / PAGE, page(report, pictures, out, made, reload_seconds).encode())


def as_document(report: Report) -> str:
    """The report as Markdown, without a date: it changes only if a number does."""
    lines = [f"{TITLE}{markdown(report.collection)}"]
    lines += [f"**{markdown(report.warning)}**"] if report.warning else []
    lines.append("The page index.html gives the settings and versions behind each number.")
    for section in report.sections:
        lines += _section(section)
    if report.to_do:
        lines += ["## Not run yet", f"<details><summary>{counted(len(report.to_do), 'experiment')}</summary>"]
        for one in report.to_do:
            lines.append(f"**{markdown(one.title)}**, {markdown(one.source)}")
            lines += [markdown(f"Not possible here: {reason}") for reason in one.lacking]
            lines += _missing(one.missing) if one.missing else []
        lines.append("</details>")
    return "\n\n".join(lines) + "\n"


def _missing(missing: MissingRuns) -> list[str]:
    left = missing.planned - missing.found
    return [
        f"{left} of {counted(missing.planned, 'run')} {'is' if left == 1 else 'are'} missing:",
        "\n".join(f"- {markdown(setting)}" for setting in missing.settings),
        f"```bash\n{one_line(missing.command)}\n```",
    ]


def _section(section: Section) -> list[str]:
    lines = [f"## {markdown(section.title)}", f"*{markdown(section.source)}*"]
    for block in section.blocks:
        if isinstance(block, Note):
            lines.append(markdown(block.text))
        elif isinstance(block, Links):  # the pages lie beside the runs, which report.md may be published without
            lines.append(markdown(f"{block.text} {', '.join(title for title, _ in block.pages)}."))
        elif isinstance(block, Figure):
            lines.append(f"![{markdown(block.alt)}](figures/{block.name}.png)")
            lines.append(f"*{markdown(block.caption)}* ([PDF](figures/{block.name}.pdf))")
        else:
            lines += _table(block)
    if section.missing:
        lines += ["<details><summary>Missing runs</summary>", *_missing(section.missing), "</details>"]
    return lines


def _table(table: Table) -> list[str]:
    caption = markdown(table.caption)
    files = f"([CSV](tables/{table.name}.csv), [LaTeX](tables/{table.name}.tex))"
    if not table.folded:
        return [f"*{caption}* {files}", as_markdown(table)]
    return [f"<details><summary>{caption}</summary>", as_markdown(table), f"{files}\n\n</details>"]


def _write(path: Path, content: bytes) -> None:
    with written_whole(path) as temporary:
        temporary.write_bytes(content)
