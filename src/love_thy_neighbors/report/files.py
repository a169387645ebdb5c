"""The report's files: report.md, tables/NAME.csv and .tex, figures/NAME.png, NAME-dark.png and NAME.pdf, index.html."""

import io
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure as Drawing
from PIL import Image

from love_thy_neighbors.atomic import written_whole
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.report.document import Figure, Note, Report, Section, Table
from love_thy_neighbors.report.page import page
from love_thy_neighbors.report.tables_as_text import as_csv, as_latex, as_markdown, markdown
from love_thy_neighbors.report.themes import DARK, LIGHT

DPI = 160
# Every name that a figure may have, so that the picture of a run that is gone does not stay behind.
FIGURES = (
    "precision_recall",
    "ap_scatter",
    "gain_by_frequency",
    "examples",
    "learned_weights",
    "moved_most",
    "hyperparameters",
    "label_correlation",
    "label_correlation_by_label",
    "vocabulary_overlap",
)
OPTIONAL_TABLES = ("per_label", "other_runs")
ENDINGS = (".png", "-dark.png", ".pdf")


@dataclass(frozen=True)
class Pictures:
    """A figure's files, by their endings."""

    light: bytes
    dark: bytes
    pdf: bytes


def draw_all(report: Report) -> dict[str, Pictures]:
    """Every figure's files, by its name; takes a second each."""
    pictures: dict[str, Pictures] = {}
    figures = report.figures()
    if figures:
        with progress_bar("figures", len(figures)) as advance:
            for figure in figures:
                pictures[figure.name] = draw(figure)
                advance(1)
    return pictures


def write(report: Report, pictures: dict[str, Pictures], out: Path) -> None:
    """Write everything but the page below ``out``, and remove figures and tables of runs that are gone."""
    for name, drawn in pictures.items():
        for ending, content in zip(ENDINGS, (drawn.light, drawn.dark, drawn.pdf), strict=True):
            _write_bytes(out / "figures" / f"{name}{ending}", content)
    for name in set(FIGURES) - pictures.keys():
        for ending in ENDINGS:
            (out / "figures" / f"{name}{ending}").unlink(missing_ok=True)
    tables = report.tables()
    for name in set(OPTIONAL_TABLES) - {table.name for table in tables}:
        for ending in (".csv", ".tex"):
            (out / "tables" / f"{name}{ending}").unlink(missing_ok=True)
    for table in tables:
        _write_bytes(out / "tables" / f"{table.name}.csv", as_csv(table).encode())
        _write_bytes(out / "tables" / f"{table.name}.tex", as_latex(table).encode())
    _write_bytes(out / "report.md", as_document(report).encode())


def write_page(
    report: Report, pictures: dict[str, Pictures], out: Path, thumbnails: Path, made: str, reload_seconds: int | None
) -> None:
    """Write index.html below ``out``.

    ``thumbnails`` is the folder of the collection's small pictures; ``made`` says when the page was made; a page with
    ``reload_seconds`` loads itself again that often.
    """
    embedded = {name: (drawn.light, drawn.dark) for name, drawn in pictures.items()}
    _write_bytes(out / "index.html", page(report, embedded, thumbnails, made, reload_seconds).encode())


def draw(figure: Figure) -> Pictures:
    """A figure's files; the same figure gives the same bytes, with no date in them."""
    drawing, pdf = figure.draw(LIGHT), io.BytesIO()
    drawing.savefig(pdf, format="pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None})
    return Pictures(_png(drawing), _png(figure.draw(DARK)), pdf.getvalue())


def _png(drawing: Drawing) -> bytes:
    """A drawing in 256 colours: a third of the bytes and no visible loss, for a page that embeds many."""
    whole, small = io.BytesIO(), io.BytesIO()
    drawing.savefig(whole, format="png", dpi=DPI)
    with Image.open(whole) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()


def as_document(report: Report) -> str:
    """The report as Markdown, with its figures linked and no date, so that it changes only when a number does."""
    lines = [f"# Love Thy Neighbors on {markdown(report.collection)}", f"**{markdown(report.warning)}**"]
    lines.append("What was run with which settings and versions stands in index.html, beside each number.")
    for section in report.sections:
        lines += _section(section)
    return "\n\n".join(lines) + "\n"


def _section(section: Section) -> list[str]:
    lines = [f"## {markdown(section.title)}", f"*{markdown(section.source)}*"]
    if section.missing:
        missing = section.missing
        lines.append(f"{missing.planned - missing.found} of {missing.planned} runs are missing:")
        lines.append("\n".join(f"- {markdown(setting)}" for setting in missing.settings))
        lines.append(f"```bash\n{missing.command}\n```")
    for block in section.blocks:
        if isinstance(block, Note):
            lines.append(markdown(block.text))
        elif isinstance(block, Figure):
            lines.append(f"![{markdown(block.alt)}](figures/{block.name}.png)")
            lines.append(f"*{markdown(block.caption)}*")
        else:
            lines += _table(block)
    return lines


def _table(table: Table) -> list[str]:
    if not table.folded:
        return [f"*{markdown(table.caption)}*", as_markdown(table)]
    summary = f"<summary>{markdown(table.caption)}</summary>"
    return [f"<details>{summary}", as_markdown(table), "</details>"]


def _write_bytes(path: Path, content: bytes) -> None:
    with written_whole(path) as temporary:
        temporary.write_bytes(content)
