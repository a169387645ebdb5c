"""terminal.py: what users' text looks like when it is printed."""

import ast

import pytest
from rich.table import Table
from rich.text import Text

from conftest import ROOT
from love_thy_neighbors.progress import progress_bar
from love_thy_neighbors.terminal import terminal
from love_thy_neighbors.visible import visible

# Rich's signs: a style, an end without a beginning, an emoji, a link.
HOSTILE = ["a\x1b[31mred", "\x9b2J", "a\rb", "x\x07", "\x1b]0;title\x07", "abc\u202ecba", "a\udcffb", "\x1b[A\x1b[2K"]
TEXTS = ["photos[2019]", "a[/b]c", "[bold]x[/bold]", "[/]", "x:smile:y", "[link=file:///]z", "\\[red]"]


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_printed_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    terminal(soft_wrap=True).print(f"Written to {text}:")
    assert capsys.readouterr().out == f"Written to {text}:\n"
    table = Table(text, title=text, caption=text, min_width=60)
    table.add_row(text)
    terminal().print(table)
    assert capsys.readouterr().out.count(text) == 4


@pytest.mark.parametrize("text", TEXTS)
def test_a_progress_bar_shows_its_text_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(f"reading {text}", 2) as advance:
        advance(2)
    assert f"reading {text}" in capsys.readouterr().err


def test_nothing_prints_with_a_console_of_its_own() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        if path.name == "terminal.py":
            continue
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        names = {getattr(call, "id", getattr(call, "attr", "")) for call in calls}
        assert not names & {"Console", "get_console", "from_markup"}, path


@pytest.mark.parametrize("text", HOSTILE)
def test_control_characters_are_printed_as_escapes(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    terminal(soft_wrap=True).print(f"Written to {text}:")
    table = Table(text, title=text, caption=text, min_width=60)
    table.add_row(text)
    terminal().print(table)
    with progress_bar(f"reading {text}", 2) as advance:
        advance(2)
    printed = capsys.readouterr()
    shown = visible(text)
    assert shown.isprintable()
    assert printed.out.count(shown) == 5
    assert f"reading {shown}" in printed.err
    assert not set(text) - set(shown) & set(printed.out + printed.err)


def test_a_text_with_a_style_has_no_raw_escape_either(capsys: pytest.CaptureFixture[str]) -> None:
    terminal(soft_wrap=True).print(Text("a\x1b[31mred", style="bold"))
    assert capsys.readouterr().out == "a\\x1b[31mred\n"
