"""Which files in the report's folder are the report's: those that its list there names.

The list, the file `LIST`, is written before the files themselves, so after a kill they are still known as ours.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from love_thy_neighbors.atomic import written_whole
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.ownership import remove_remains

LIST = ".love-thy-neighbors-report"
DOCUMENT, PAGE, TITLE = "report.md", "index.html", "# Love Thy Neighbors on "
_NAME = re.compile(r"report\.md|index\.html|figures/[^/\n\0()]+\.(?:png|pdf)|tables/[^/\n\0()]+\.(?:csv|tex)")
_LINKED = re.compile(rf"(?<!\\)\]\(({_NAME.pattern})\)")
_HEAD = "Files that report.py has written here, and may replace or delete:"
_LARGEST = 16 << 20  # bytes that are read
_SHOWN = 5  # names in a message


def claim(out: Path, names: Iterable[str]) -> set[str]:
    """List ``names`` as ours, in addition to those that are listed already, which are returned.

    Raises `UserError`, and writes nothing, if a file stands in the place of one that is not listed.
    """
    names, before = {*names}, _listed(out)
    foreign = sorted(name for name in names - before if os.path.lexists(out / name))
    foreign += [name for name in ("figures", "tables") if os.path.lexists(out / name) and not (out / name).is_dir()]
    if foreign or (out / LIST).is_symlink():
        shown = ", ".join(foreign[:_SHOWN]) or f"{LIST}, which is a link"
        raise UserError(
            f"out: {out} holds {shown}, which report.py has not written and would replace; move that away, or give "
            "another folder."
        )
    for name in {LIST, *names, *before}:
        remove_remains(out / name)
    _write(out, before | names)
    return before


def give_up(out: Path, names: Iterable[str]) -> None:
    """Delete the listed files but ``names``, and take them off the list."""
    names = {*names}
    for gone in _listed(out) - names:
        if not (out / gone).is_dir():
            (out / gone).unlink(missing_ok=True)
    _write(out, names)


def _listed(out: Path) -> set[str]:
    """The names in the list. A report of a version without lists has the files that its report.md links to."""
    if os.path.lexists(out / LIST):
        head, *lines = _text(out / LIST).split("\n")
        return {line for line in lines if _NAME.fullmatch(line)} if head == _HEAD else set()
    text = _text(out / DOCUMENT)
    return {DOCUMENT, PAGE, *_LINKED.findall(text)} if text.startswith(TITLE) else set()


def _text(path: Path) -> str:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")


def _write(out: Path, names: set[str]) -> None:
    text = "".join(f"{line}\n" for line in (_HEAD, *sorted(names)))
    if _text(out / LIST) != text:
        with written_whole(out / LIST) as temporary:
            temporary.write_text(text, encoding="utf-8")
