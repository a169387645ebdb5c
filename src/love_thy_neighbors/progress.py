"""The progress bar of long work: what is done, how fast, and when it ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        digits = 0 if not speed or speed >= 10 else 2  # a slow network does half an image a second
        return Text(f"{speed:,.{digits}f}/s" if speed else "", style="progress.data.speed")


@contextmanager
def progress_bar(description: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error; the function it yields advances the bar by that many items.

    ``done`` is how many an earlier, interrupted run has left finished.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total, completed=done)
        yield lambda count: progress.advance(task, count)
        progress.update(task, completed=total)  # steps may be coarser than the work: a file of half a megabyte
