"""Runs whose training diverged: their figures are shown, and a message names them."""

from collections.abc import Sequence

from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.wording import counted


def diverged(results: Sequence[Result]) -> list[str]:
    """A message that names the runs whose training diverged; none without one."""
    found = [one for one in results if one.divergence is not None]
    if not found:
        return []
    runs = ", ".join(f"{one.folder.name} (lr={one.config.get('lr')})" for one in found)
    return [
        f"{counted(len(found), 'run')} diverged in training, so the figures say nothing about the model: {runs}; "
        "train again with a lower lr."
    ]
