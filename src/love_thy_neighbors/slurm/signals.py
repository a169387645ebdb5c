"""How a process answers the signals that SLURM sends to a job.

SIGUSR1, SIGUSR2    the time limit is near (``sbatch --signal=USR1@90``): the job asks SLURM to queue it again
SIGTERM             the job was cancelled, or its time is over: it ends at once. Or it is preempted in a partition with
                    GraceTime: it goes on until SLURM kills it. SLURM queues a preempted job again only if it has not
                    ended by itself.

Nothing has to be saved: ``last.ckpt`` is replaced as a whole after each epoch.
"""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from love_thy_neighbors.slurm.commands import NoAnswerError, answer, own_job, shown
from love_thy_neighbors.visible import say

NEAR_THE_LIMIT = ("SIGUSR1", "SIGUSR2")


def answer_signals(may_queue_again: Callable[[], bool] = lambda: True) -> None:
    """Make this process answer SLURM's signals; does nothing outside a job of SLURM, or in a thread.

    may_queue_again: whether the job is to be queued again when its time limit is near. It says why if it is not.
    """
    job = own_job()
    if job is None or threading.current_thread() is not threading.main_thread():
        return

    def near_the_limit(number: int, frame: FrameType | None) -> None:
        if may_queue_again():
            _queue_again(job, signal.Signals(number).name)

    def asked_to_end(number: int, frame: FrameType | None) -> None:
        if not _is_preempted(job):
            raise KeyboardInterrupt
        say(f"SLURM preempts job {job}: it works until SLURM ends it, and is then queued again.", stderr=True)

    for name in NEAR_THE_LIMIT:
        signal.signal(signal.Signals[name], near_the_limit)
    signal.signal(signal.SIGTERM, asked_to_end)


def ignore_signals() -> None:
    """Let a process whose work is done end by itself; while Python shuts down, a signal would end it as a failure."""
    if own_job() is not None:
        for name in (*NEAR_THE_LIMIT, "SIGTERM"):
            signal.signal(signal.Signals[name], signal.SIG_IGN)


def _queue_again(job: str, reason: str) -> None:
    """Ask SLURM to end the job and to queue it again. Each process of a distributed run gets the signal; one asks."""
    if os.environ.get("SLURM_PROCID", "0") != "0":
        return
    try:
        answer("scontrol", "requeue", job)
    except NoAnswerError as error:
        say(f"{reason}: SLURM does not queue job {job} again ({error}); it works on until then.", stderr=True)
    else:
        say(f"{reason}: SLURM queues job {job} again; it continues from its last epoch.", stderr=True)


def _is_preempted(job: str) -> bool:
    """Whether SLURM will end the running job itself: it was preempted. Also if SLURM does not answer."""
    try:
        known = shown(job)
    except NoAnswerError:
        return True
    return known.get("JobState") == "RUNNING" and known.get("PreemptTime", "None") != "None"
