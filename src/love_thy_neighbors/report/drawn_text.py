"""Text of users in figures: only what Matplotlib can draw, with the fonts that this machine has."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, TypeVar

import matplotlib
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.text import Text

from love_thy_neighbors.visible import visible

BOX = "\N{WHITE SQUARE}"  # for a character that no font has; Matplotlib's own font has this one
REGULAR = 400  # the weight of a usual font
NAMED = 10  # characters in the message
_PLACEHOLDERS = "Last Resort"  # Matplotlib's font that has a box for every character
_NO_BREAK_SPACE = "\N{ZERO WIDTH NO-BREAK SPACE}"  # U+FEFF also begins files; Matplotlib's PDF writer fails at it
Drawn = TypeVar("Drawn")


class Fonts:
    """The fonts of a report's figures: Matplotlib's own, and those that were found for characters it lacks.

    undrawn: the characters that no installed font has.
    """

    def __init__(self) -> None:
        self.families: list[str] = list(matplotlib.rcParams["font.family"])
        self.characters = set(_characters(self.families[0]))
        self.undrawn: set[str] = set()

    def drawable(self, text: str) -> str:
        """``text`` as it is drawn: control characters as escapes, a box for what no font has; fonts are added."""
        shown = visible(text.replace(_NO_BREAK_SPACE, "").replace("\t", " "))
        for character in sorted({*shown} - self.characters - self.undrawn - {"\n"}):
            self._find(character)
        return "".join(BOX if character in self.undrawn else character for character in shown)

    def _find(self, character: str) -> None:
        family = next((name for name in _installed() if character in _characters(name)), None)
        if family is None:
            self.undrawn.add(character)
        else:
            self.families.append(family)
            self.characters |= _characters(family)

    def draw(self, drawn: Callable[[], Drawn]) -> Drawn:
        """The value of ``drawn``, which makes and saves a figure; again if it has met a text that needs a new font."""
        while True:
            known = len(self.families)
            with matplotlib.rc_context({"font.family": self.families}), self._every_text():
                value = drawn()
            if len(self.families) == known:
                return value

    @contextmanager
    def _every_text(self) -> Iterator[None]:
        """Inside, each text of Matplotlib is `drawable`: titles, names at ticks and in legends, single words."""
        set_text = Text.set_text

        def set_drawable(artist: Text, s: Any) -> None:
            set_text(artist, s if s is None else self.drawable(str(s)))

        Text.set_text = set_drawable  # type: ignore[method-assign, assignment]
        log = logging.getLogger("matplotlib.font_manager")  # complains of a family without a bold font
        level = log.level
        log.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)  # `message` says it
                yield
        finally:
            log.setLevel(level)
            Text.set_text = set_text  # type: ignore[method-assign]

    def message(self) -> str | None:
        """One line on the characters that no font has, or None."""
        if not self.undrawn:
            return None
        first, more = sorted(self.undrawn)[:NAMED], len(self.undrawn) - NAMED
        named = " ".join(first) + (f" and {more:,} more" if more > 0 else "")
        return (
            f"figures: no installed font has {named}, so {BOX} stands there; install one that has them, such as Noto "
            "Sans CJK for Chinese, Japanese and Korean or Noto Emoji (not Noto Color Emoji), and make the report again."
        )


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    """The families of upright fonts that are installed, those without serifs first."""
    upright = (font for font in fontManager.ttflist if font.style == "normal" and font.weight == REGULAR)
    names = {font.name for font in upright if _PLACEHOLDERS not in font.name}
    return tuple(sorted(names, key=lambda name: ("Sans" not in name, name)))


@cache
def _characters(family: str) -> frozenset[str]:
    """The characters that a family's usual font has; none if Matplotlib cannot read it."""
    try:
        font = get_font(fontManager.findfont(FontProperties(family=[family]), fallback_to_default=False))
    except (OSError, ValueError, RuntimeError):
        return frozenset()
    return frozenset(map(chr, font.get_charmap()))
