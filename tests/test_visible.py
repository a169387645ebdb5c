"""visible.py: control characters of users' texts, wherever a program shows them."""

import ast
import io
import logging
import sys
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from love_thy_neighbors.programs import start
from love_thy_neighbors.visible import one_line, say, show_escapes, visible

RED = "\x1b[31mred"


@given(st.text(st.characters()))
def test_what_is_shown_has_no_control_character_and_can_be_encoded(text: str) -> None:
    shown = visible(text)
    assert all(character >= " " or character in "\t\n" for character in shown)
    assert not any("\x7f" <= character <= "\x9f" for character in shown)
    shown.encode("utf-8")
    assert visible(shown) == shown
    assert len(one_line(text).splitlines()) <= 1


@given(st.text(st.characters(categories=("L", "M", "N", "P", "S", "Zs"))))
def test_other_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == one_line(text) == text


def test_signs_that_join_letters_and_emoji_stay() -> None:
    for text in ("\u0645\u06cc\u200c\u062e", "\U0001f468\u200d\U0001f469", "\u05d0\u200f", "\ufeffa"):
        assert visible(text) == text


@pytest.fixture
def escapes() -> Iterator[None]:
    """As a program does when it starts; what it changes is set back."""
    factory, format_warning, hook = logging.getLogRecordFactory(), warnings.formatwarning, sys.excepthook
    show_escapes()
    yield
    logging.setLogRecordFactory(factory)
    warnings.formatwarning, sys.excepthook = format_warning, hook


@pytest.mark.usefixtures("escapes")
def test_logs_warnings_and_tracebacks_show_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    text = io.StringIO()
    log = logging.Logger("test")
    log.addHandler(logging.StreamHandler(text))
    log.warning("%s Starting from the first epoch.", RED)
    text.write(warnings.formatwarning(RED, UserWarning, "a.py", 1))  # type: ignore[call-arg]
    try:
        raise ValueError(RED)
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    shown = text.getvalue() + capsys.readouterr().err
    assert shown.count("\\x1b[31mred") == 3
    assert "Traceback" in shown
    assert "\x1b" not in shown


def test_the_sentence_of_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        start.fail(f"runs: {RED}\nprepare.py: all is well")
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "\\x1b[31mred\\nprepare.py" in line


def test_say_prints_on_either_stream(capsys: pytest.CaptureFixture[str]) -> None:
    say(RED)
    say(RED, stderr=True)
    assert capsys.readouterr() == ("\\x1b[31mred\n",) * 2


def test_nothing_else_prints() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        if path.name == "visible.py":
            continue
        nodes = list(ast.walk(ast.parse(path.read_text())))
        calls = {getattr(one.func, "id", "") for one in nodes if isinstance(one, ast.Call)}
        streams = {ast.unparse(one) for one in nodes if isinstance(one, ast.Attribute)} & {"sys.stdout", "sys.stderr"}
        assert "print" not in calls, path
        assert not streams, path
