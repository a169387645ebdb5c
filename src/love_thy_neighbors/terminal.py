"""The console on which the programs print with Rich."""

from rich.console import Console


def terminal(highlight: bool = True, soft_wrap: bool = False, stderr: bool = False) -> Console:
    """A console that prints text as it is.

    By default Rich takes ``[bold]`` and ``:smile:`` in a text for its own signs. Paths, labels and error texts of users
    contain square brackets; they would vanish, or raise `rich.errors.MarkupError`.
    """
    return Console(markup=False, emoji=False, highlight=highlight, soft_wrap=soft_wrap, stderr=stderr)
