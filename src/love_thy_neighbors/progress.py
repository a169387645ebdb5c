"""The progress bar of long work: count, rate and remaining time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from love_thy_neighbors.terminal import terminal
from love_thy_neighbors.visible import visible


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        digits = 0 if not speed or speed >= 10 else 2  # a slow network does less than one image per second
        return Text(f"{speed:,.{digits}f}/s" if speed else "", style="progress.data.speed")


@contextmanager
def progress_bar(description: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error; yields a function that advances the bar by a number of items.

    ``done`` is the number of items that an earlier, interrupted run has finished. Nothing is shown if there is nothing
    to do.
    """
    if not total:
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=terminal(stderr=True)) as progress:
        task = progress.add_task(visible(description), total=total, completed=done)
        yield lambda count: progress.advance(task, count)
        progress.update(task, completed=total)  # steps may be larger than the rest, as for a file read in blocks
