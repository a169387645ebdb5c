"""What report.py does: once, or again whenever a result appears, changes or goes."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Event

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.report.build import Plans, build
from love_thy_neighbors.report.collected import Stamp, stamp
from love_thy_neighbors.report.files import draw_all, write, write_page
from love_thy_neighbors.report.options import Options

POLL_SECONDS = 3
PageWriter = Callable[[int | None], None]


def report(options: Options) -> None:
    """Write the report. Raises `UserError` without a single result, unless it watches for them."""
    found = stamp(options.runs)
    if not (found or options.watch):
        places = ", ".join(map(str, options.runs))
        raise UserError(
            f"no results.json below {places}; make some (python train.py -m experiment=table2), or give their folder "
            "(runs=FOLDER)."
        )
    plans = Plans.of(options.given)
    if options.watch:
        watch(plans, options)
    else:
        made(plans, found, options)(None)
        print(f"Written: {options.out / 'index.html'}")


def watch(plans: Plans, options: Options) -> None:
    """Write the report whenever the results differ from those of the last time, until Ctrl-C."""
    known: Stamp | None = None
    write_the_page: PageWriter | None = None
    with _interruptions() as stopped:
        while not stopped.is_set():
            found = stamp(options.runs)
            if found != known:
                write_the_page = made(plans, found, options)
                write_the_page(2 * POLL_SECONDS)
                print(f"Written: {options.out / 'index.html'}", flush=True)
                known = found
            stopped.wait(POLL_SECONDS)
    if write_the_page is not None:
        write_the_page(None)  # it need not load itself again any more
    print("Stopped.", file=sys.stderr)


@contextmanager
def _interruptions() -> Iterator[Event]:
    """Ctrl-C ends the block and is not raised any further; the event says that it was pressed.

    Python drops a KeyboardInterrupt that comes while a destructor runs, as it often does while figures are drawn.
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


def made(plans: Plans, found: Stamp, options: Options) -> PageWriter:
    """Write all but the page, and say what was left out; returns what writes the page, given its seconds to reload."""
    report = build(plans, found)
    for sentence in report.told:
        print(f"report.py: {sentence}", file=sys.stderr)
    pictures = draw_all(report)
    write(report, pictures, options.out)
    when = f"Made on {datetime.now():%-d %B %Y, %H:%M} from {report.results} results."
    thumbnails = plans.folder / "thumbnails"
    return lambda seconds: write_page(report, pictures, options.out, thumbnails, when, seconds)
