"""The console on which the programs print with Rich."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from love_thy_neighbors.visible import visible


class _PlainConsole(Console):
    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(visible(text), **how)  # here, so that columns are as wide as what is shown

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Everything that is printed comes through here, also texts with a style."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


def terminal(highlight: bool = True, soft_wrap: bool = False, stderr: bool = False) -> Console:
    """A console that prints text as it is, and its control characters as escapes.

    By default Rich takes ``[bold]`` and ``:smile:`` in a text for its own signs. Paths, labels and error texts of users
    contain square brackets; they would vanish, or raise `rich.errors.MarkupError`.
    """
    return _PlainConsole(markup=False, emoji=False, highlight=highlight, soft_wrap=soft_wrap, stderr=stderr)
