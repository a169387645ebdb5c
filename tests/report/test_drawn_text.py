"""report/drawn_text.py: hostile and foreign text in every place of a figure."""

import io
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import matplotlib
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure as Drawing
from matplotlib.font_manager import fontManager
from matplotlib.text import Text

from love_thy_neighbors.report import drawn_text
from love_thy_neighbors.report.document import Figure, Note, Report, Section
from love_thy_neighbors.report.drawn_text import BOX, Fonts
from love_thy_neighbors.report.files import draw, write
from love_thy_neighbors.report.pictures import Sheet
from love_thy_neighbors.report.style import canvas, legend

HOSTILE = [
    "\ufeff",
    "a\ufeffb",
    "\x00",
    "\x1b[31mred",
    "\ud800",
    "a\tb",
    "\u202eabc",
    "\U0010ffff",
    "$x",
    "\\frac",
    "日本",
]


def everywhere(text: str) -> Drawing:
    """A figure with ``text`` as title, name at a tick, name of an axis and in the legend."""
    figure, axes = canvas(8, 3)
    axis = axes[0, 0]
    axis.plot([0, 1], label=f"a{text}")
    axis.set_yticks([0, 1], [text, "b"], parse_math=False)
    axis.set_title(text, parse_math=False)
    axis.set_xlabel(text, parse_math=False)
    if "$" not in text:
        legend(figure)
    return figure


def sheet(text: str) -> Drawing:
    drawing = Sheet(2, 1)
    drawing.write(1, 0.5, text)
    return drawing.figure


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", [everywhere, sheet])
def test_what_a_label_holds_can_be_drawn(text: str, place: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # also Matplotlib's on a missing glyph
        png, pdf = Fonts().draw(partial(draw, Figure("f", "", partial(place, text))))  # type: ignore[arg-type]
    assert png.startswith(b"\x89PNG")
    assert pdf.startswith(b"%PDF")


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(), max_size=20))
def test_any_text_is_drawable(text: str) -> None:
    fonts = Fonts()
    shown = fonts.drawable(text)
    assert {*shown} - {"\n"} <= fonts.characters | {BOX}
    assert fonts.drawable(shown) == shown
    figure = Drawing(figsize=(1, 1))
    figure.text(0.5, 0.5, shown, parse_math=False)
    figure.savefig(io.BytesIO(), format="pdf")


def test_text_that_the_own_font_has_stays_as_it_is() -> None:
    fonts = Fonts()
    for text in ("a label", "Übermut", "два", "mAP\nsecond line", "✓ τ ±"):
        assert fonts.drawable(text) == text
    assert fonts.message() is None
    assert fonts.families == list(matplotlib.rcParams["font.family"])


@pytest.fixture
def font(tmp_path: Path) -> Iterator[str]:
    """An installed font that has U+65E5 alone; its name."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for point in ((0, 700), (700, 700), (700, 0)):
        pen.lineTo(point)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "day"])
    builder.setupCharacterMap({0x65E5: "day"})
    builder.setupGlyf({".notdef": pen.glyph(), "day": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (800, 0), "day": (800, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "One Day Sans", "styleName": "Regular", "psName": "OneDay"})
    builder.setupOS2(sTypoAscender=800, sTypoDescender=-200)
    builder.setupPost()
    builder.save(tmp_path / "day.ttf")
    before = list(fontManager.ttflist)
    fontManager.addfont(tmp_path / "day.ttf")
    drawn_text._installed.cache_clear()
    yield "One Day Sans"
    fontManager.ttflist[:] = before
    drawn_text._installed.cache_clear()
    drawn_text._characters.cache_clear()


def test_a_font_that_is_there_is_used(font: str) -> None:
    fonts = Fonts()
    _, pdf = fonts.draw(lambda: draw(Figure("f", "", lambda: everywhere("日本"))))
    assert b"OneDay" in pdf
    assert fonts.families[-1] == font
    assert fonts.undrawn == {"本"}
    assert fonts.drawable("日本") == f"日{BOX}"


def test_one_line_says_what_could_not_be_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = "".join(map(chr, range(0x4E00, 0x4E20)))
    figures = [Figure(f"f{number}", "", partial(everywhere, many)) for number in range(2)]
    section = Section("s", "S", "Table 0", (*figures, Note("text")))
    before = Text.set_text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(Report("made up", "", 1, (section,), ()), tmp_path)
    assert Text.set_text is before
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "font" in line]
    assert "\u4e00" in line
    assert "22 more" in line
