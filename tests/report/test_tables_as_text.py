"""Cells and tables as CSV, LaTeX, Markdown and HTML; text from files is never markup."""

import csv
import html
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.report.document import (
    Cell,
    Column,
    Gap,
    MissingRuns,
    Note,
    Origin,
    Report,
    Row,
    Section,
    Table,
    Verdict,
)
from love_thy_neighbors.report.estimates import Difference
from love_thy_neighbors.report.files import as_document
from love_thy_neighbors.report.page import cell_html, page, symbols
from love_thy_neighbors.report.tables_as_text import as_csv, as_latex, as_markdown, is_number, latex, markdown, text_of
from love_thy_neighbors.visible import visible

TABLE = Table(
    "t",
    "A & B",
    (Column("method"), Column("here", "mAP_L"), Column("paper", "mAP_L", paper=True), Column("gain"), Column("splits")),
    (
        Row(("a_b", Estimate(52.781, 0.342, 5), Estimate(46.67, None, 1), Difference(1.5, 1.0, 2.0, 5, 5), 5)),
        Row(("=1+1", Gap.MISSING, Gap.NONE, Gap.NONE, "3 of 5"), beyond=True),
    ),
)


@pytest.mark.parametrize(
    ("cell", "text", "number"),
    [
        (Estimate(1234.567, 0.5, 3), "1,234.57 ± 0.50", True),
        (Estimate(-1.0, None, 1), "−1.00", True),
        (Difference(-1.5, None, None, 1, 0), "−1.50 [n/a]", True),
        (Difference(0.5, -0.25, 1.25, 5, 4), "+0.50 [−0.25, +1.25]", True),
        (10_000, "10,000", True),
        ("2.4 / 2", "2.4 / 2", True),
        ("3 of 5", "3 of 5", True),
        ("3 of 5 labels", "3 of 5 labels", False),
        (Gap.NONE, "–", False),
        (Verdict.CONFIRMED, "confirmed", False),
    ],
)
def test_cells_as_text(cell: Cell, text: str, number: bool) -> None:
    assert text_of(cell) == text
    assert is_number(cell) == number


def test_csv_gives_every_number_a_column_and_no_formula() -> None:
    rows = list(csv.reader(io.StringIO(as_csv(TABLE))))
    assert rows == [
        ["method", "mAP_L, here", "mAP_L, here std", "mAP_L, paper", "mAP_L, paper std", "gain", "gain low", "gain high", "splits"],
        ["a_b", "52.7810", "0.3420", "46.6700", "", "1.5000", "1.0000", "2.0000", "5"],
        ["'=1+1", "missing", "", "–", "", "–", "", "", "3 of 5"],
    ]  # fmt: skip


def test_latex_groups_columns_and_escapes() -> None:
    text = as_latex(TABLE)
    assert r"\caption{A \& B}" in text
    assert r"\begin{tabular}{lrrrr}" in text
    assert r" & \multicolumn{2}{c}{mAP\_L} &  &  \\" in text
    assert r"\cmidrule(lr){2-3}" in text
    assert r"a\_b & 52.78 $\pm$ 0.34 & 46.67 & +1.50 [+1.00, +2.00] & 5 \\" in text
    assert r"=1+1 (not in the paper) & missing & -- & -- & 3 of 5 \\" in text
    for line in text.splitlines():
        if line.endswith(r"\\"):
            columns = 1 + len(re.findall(r"(?<!\\)&", line)) + (1 if "multicolumn" in line else 0)
            assert columns == len(TABLE.columns)


@given(st.text())
def test_no_text_is_latex(text: str) -> None:
    written = re.sub(r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater)\{\}", "", latex(text))
    written = re.sub(r"\$\\(pm|tau)\$|\$-\$|\$\^2\$|\\[{}$&#%_]", "", written)
    assert not re.search(r"[\\{}$&#%_~^\n]", written)


@given(st.text())
def test_no_text_is_markdown(text: str) -> None:
    written = markdown(text)
    assert "\n" not in written
    assert not re.search(r"[<>]", written)
    plain = re.sub(r"\\.", "", written)
    assert not re.search(r"[`*\[\]|~$#!]", plain)
    unescaped = html.unescape(re.sub(r"\\([\\`*\[\]|~$#!_])", r"\1", written))
    assert unescaped == html.unescape(visible(" ".join(text.split())).replace("&", "&amp;"))


def test_markdown_tables_keep_their_columns() -> None:
    table = Table("t", "", (Column("a"), Column("b")), (Row(("x|y", "line\nbreak")),))
    assert as_markdown(table).splitlines() == ["| a | b |", "| :-- | :-- |", r"| x\|y | line break |"]


class Text(HTMLParser):
    """The text of a piece of HTML, and its tags."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.text, self.tags = "", []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text())
def test_no_text_is_html(text: str) -> None:
    parsed = Text(str(symbols(text)))
    assert set(parsed.tags) <= {"sub"}
    assert {"<", ">"}.isdisjoint(str(symbols(text)).replace("<sub>", "").replace("</sub>", ""))


def test_indices_are_set_low_and_verdicts_say_their_name() -> None:
    assert symbols("mAP_L & Rec_O") == "mAP<sub>L</sub> &amp; Rec<sub>O</sub>"
    assert cell_html(Verdict.NOT_CONFIRMED, 2) == '<span class="verdict not-confirmed">✗ not confirmed</span>'
    assert cell_html(Gap.MISSING, 2) == '<span class="gap">missing</span>'


@given(st.text(st.characters(), min_size=1))
def test_no_control_character_of_a_label_is_written(label: str) -> None:
    table = Table("t", label, (Column(label), Column("AP", label)), (Row((label, 1.0)),))
    for write in (as_csv, as_latex, as_markdown):
        written = write(table)
        written.encode("utf-8")
        assert visible(written) == written, write
    for shown in (symbols(label), cell_html(label, 2)):
        assert visible(str(shown)) == str(shown)


def test_a_command_in_the_document_stays_in_its_block() -> None:
    missing = MissingRuns(0, 1, "python train.py -m 'data.dir=a\n```\n\x1b[2J# all is well'", ("split 0",))
    section = Section("s", "S", "Table 0", (), missing)
    document = as_document(Report("a\x1b[2J", "", 0, (section,), ()))
    assert visible(document) == document
    lines = document.splitlines()
    place = lines.index("```bash")
    assert lines[place + 1].startswith("python train.py -m 'data.dir=a\\n```")
    assert lines[place + 2] == "```"


def test_the_page_has_no_control_character() -> None:
    name = "a\x1b[2J\u202eb\udcff"
    origin = Origin(name, name, (name,), 1.0, (name,))
    blocks = (Table("t", name, (Column(name),), (Row((name,)),)), Note(name))
    section = Section("s", name, name, blocks, MissingRuns(0, 1, name, (name,)), (origin,))
    text = page(Report(name, name, 1, (section,), (name,)), {}, Path(), name, None)
    text.encode("utf-8")
    assert visible(text) == text
    assert text.count("a\\x1b[2J") > 8
