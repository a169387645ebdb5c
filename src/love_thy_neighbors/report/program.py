"""Writes the report once, or again whenever a result appears, changes or goes."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Event

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.report.build import Plans, build
from love_thy_neighbors.report.collected import Stamp, stamp
from love_thy_neighbors.report.files import write, write_page
from love_thy_neighbors.report.options import Options
from love_thy_neighbors.report.wording import counted
from love_thy_neighbors.visible import one_line, say

POLL_SECONDS = 3
PageWriter = Callable[[int | None], None]


def report(options: Options) -> None:
    """Writes the report. Raises `UserError` without a result, unless it watches for results."""
    found = stamp(options.runs)
    if not (found or options.watch):
        places = ", ".join(map(str, options.runs))
        cure = "make some (python train.py -m experiment=table2), or give their folder (runs=FOLDER)"
        raise UserError(f"no results.json below {places}; {cure}.")
    plans = Plans.of(options.given)
    if options.watch:
        watch(plans, options)
    else:
        write_report(plans, found, options)(None)
        say(f"Written: {options.out / 'index.html'}")


def watch(plans: Plans, options: Options) -> None:
    """Writes the report whenever the results have changed, until Ctrl-C."""
    known: Stamp | None = None
    write_the_page: PageWriter | None = None
    with _interruptions() as stopped:
        while not stopped.is_set():
            found = stamp(options.runs)
            if found != known:
                write_the_page = write_report(plans, found, options)
                write_the_page(2 * POLL_SECONDS)
                say(f"Written: {options.out / 'index.html'}")
                known = found
            stopped.wait(POLL_SECONDS)
    if write_the_page is not None:
        write_the_page(None)  # without reloading
    say("Stopped.", stderr=True)


@contextmanager
def _interruptions() -> Iterator[Event]:
    """Ctrl-C sets the event and ends the block, without an exception after it.

    The event is needed because Python drops a KeyboardInterrupt during a destructor, and figures have many.
    """
    stopped = Event()

    def stop(*_: object) -> None:
        stopped.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGINT, before)


def write_report(plans: Plans, found: Stamp, options: Options) -> PageWriter:
    """Writes all but the page, and prints messages. Returns a function of the reload seconds that writes the page."""
    report = build(plans, found)
    for message in report.messages:
        say(f"report.py: {one_line(message)}", stderr=True)
    pictures = write(report, options.out)
    when = f"Made on {datetime.now():%-d %B %Y, %H:%M} from {counted(report.results, 'result')}."
    return lambda seconds: write_page(report, pictures, options.out, when, seconds)
