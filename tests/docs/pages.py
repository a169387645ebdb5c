"""The pages that people read, and what stands in them."""

import re
from pathlib import Path

from conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
# Between these comments a page describes what the code cannot do yet.
_UNCHECKED = re.compile(r"<!-- check -->.*?<!-- end check -->", re.DOTALL)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def checked_text(page: Path) -> str:
    """The page without the parts between "check" and "end check"."""
    return _UNCHECKED.sub("", text_of(page))


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of one language, without the indentation that a block in a list has."""
    found = re.findall(rf"^([ ]*)```{language}\n(.*?)^[ ]*```$", text, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def command_lines(text: str, language: str) -> list[str]:
    """The commands in blocks of one language, without their comments."""
    lines = [line for block in blocks(text, language) for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]
