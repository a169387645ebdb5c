"""Texts of others as they are shown: every control character is written as an escape, ``\\x1b`` for ESC.

A terminal obeys control characters: a label, a file name or a key with them could hide a line, colour it or change the
title of the window. Signs that turn the direction of writing make a name look like another one. Lone surrogates, which
stand for bytes that are not UTF-8 in file names, cannot be written at all.
"""

import io
import logging
import re
import sys
import traceback
import warnings
from types import TracebackType

# C0 without tab and line feed, DEL, C1; line and paragraph separators; signs of direction; surrogates.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile("[\t\n]")


def visible(text: str) -> str:
    """``text`` with every control character but tab and line feed as its escape; other text stays as it is.

    >>> print(visible("a\\x1b[31mred"))
    a\\x1b[31mred
    """
    return _CONTROL.sub(_escape, text)


def one_line(text: str) -> str:
    """`visible`, with tabs and line feeds as escapes, too.

    >>> print(one_line("a\\tb\\nc"))
    a\\tb\\nc
    """
    return _BREAKS.sub(_escape, visible(text))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def say(message: str = "", stderr: bool = False) -> None:
    """Print a message at once, on standard output or standard error."""
    print(visible(message), file=sys.stderr if stderr else sys.stdout, flush=True)


class _VisibleRecord(logging.LogRecord):
    def getMessage(self) -> str:
        return visible(super().getMessage())


def show_escapes() -> None:
    """Make logs, warnings and tracebacks of this process `visible`.

    A character that standard output cannot encode is written as an escape; by default Python would raise.
    """
    logging.setLogRecordFactory(_VisibleRecord)
    warnings.formatwarning = _warning
    sys.excepthook = _print_traceback
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error does


def _warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    return visible(f"{filename}:{lineno}: {category.__name__}: {message}\n")


def _print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(visible("".join(traceback.format_exception(kind, error, trace))))
