"""Blocks of work on a Ray cluster, each done once, whichever machine or process is lost.

What all blocks need is put once into the object store, from where each node gets one copy that its workers share.
Workers are actors with one block each: finished ones come back to the program, which alone writes files. The block of
a worker that dies goes to another one; a node that joins gets workers too.
"""

import logging
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from love_thy_neighbors.cluster.engine import Engine
from love_thy_neighbors.errors import UserError

# Read by Ray when it is imported: it is not to report its use, nor to warn of a default that will change.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray.exceptions import RayError, RayTaskError

TRIES = 5  # workers that may die over one block before it is the block's fault
NODES_EVERY = 2.0  # seconds between two looks at which nodes there are

Work = Callable[[Any], Any]


class Needs(NamedTuple):
    """What one worker takes of a node, in cores and GPUs."""

    cpus: int
    gpus: int = 0


CORE = Needs(1)


def connect(engine: Engine) -> None:
    """Join the cluster at ``engine.address``, or start one of this machine's cores; a second call does nothing.

    Ray ends what was started here when the program ends, however it ends.
    """
    if ray.is_initialized():
        return
    here: dict[str, Any] = {} if engine.address else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    address = engine.address or "local"  # None would be any cluster that Ray finds
    try:
        host, colon, port = address.rpartition(":")
        if colon:  # Ray itself would wait for many minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address, logging_level=logging.ERROR, log_to_driver=False, **here)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise UserError(
            f"ray.address: no cluster can be joined at {address} ({str(error).splitlines()[0]}); start one with "
            "ray start --head, or leave ray.address out."
        ) from None


class _Worker:
    """What an actor is made of. Opening the work is a call of its own, so that its errors arrive as they are."""

    def open(self, opened: Callable[[Any], Work], shared: Any) -> None:
        self.work = opened(shared)

    def do(self, sent: Any) -> Any:
        return self.work(sent)


def done_on_cluster(
    engine: Engine,
    opened: Callable[[Any], Work],
    shared: Any,
    blocks: Sequence[range],
    needs: Needs = CORE,
    sent: Callable[[range], Any] = lambda block: block,
) -> Iterator[tuple[range, Any]]:
    """Yield each block and what came of it, in the order in which they are finished.

    Each worker calls ``opened(shared)`` once, and what that gives with ``sent(block)`` for each of its blocks. NumPy
    arrays in ``shared`` are read-only, and not copied within a node. Raises `UserError` if a block's workers die again
    and again, and what the work itself raises.
    """
    connect(engine)
    stored = ray.put(shared)
    worker: Any = ray.remote(num_cpus=needs.cpus, num_gpus=needs.gpus)(_Worker)
    todo, deaths = deque(blocks), Counter[range | None]()
    running: dict[Any, tuple[Any, range | None]] = {}  # what is awaited: its actor, and the block, None while it opens
    looked, room = float("-inf"), 0
    try:
        while todo or any(block is not None for _, block in running.values()):
            if time.monotonic() > looked + NODES_EVERY:
                looked, room = time.monotonic(), _room(needs)
            opening = sum(block is None for _, block in running.values())
            for _ in range(min(room - len(running), len(todo) - opening)):
                actor = worker.remote()
                running[actor.open.remote(opened, stored)] = actor, None
            if not running:  # no node has room
                time.sleep(NODES_EVERY)
                continue
            finished, _ = ray.wait(list(running), timeout=NODES_EVERY)
            for awaited in finished:
                actor, block = running.pop(awaited)
                found, alive = _result(awaited, block, deaths)
                if not alive:
                    todo.extendleft([block] if block is not None else [])
                    continue
                if todo:
                    later = todo.popleft()
                    running[actor.do.remote(sent(later))] = actor, later
                if block is not None:
                    yield block, found
    finally:
        for actor, _ in running.values():
            ray.kill(actor)


def _result(awaited: Any, block: range | None, deaths: Counter[range | None]) -> tuple[Any, bool]:
    """What came of a block, and whether the worker is alive, which it may not be a few times over each block."""
    try:
        found = ray.get(awaited)
    except RayTaskError as error:
        raise error.cause if isinstance(error.cause, UserError) else error from None
    except RayError as error:  # the worker, its node or what it had found is lost
        deaths[block] += 1
        if deaths[block] >= TRIES:
            where = f"at rows {block.start} to {block.stop - 1}" if block is not None else "at their start"
            raise UserError(
                f"engine=ray: {TRIES} workers died {where} ({str(error).strip().splitlines()[0]}); if memory ran out, "
                "give Ray fewer cores. What is finished is kept: the same command goes on from there."
            ) from None
        return None, False
    del deaths[block]
    return found, True


def _room(needs: Needs) -> int:
    """How many workers the nodes that are there can hold."""
    there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(
        int(min(node.get(name, 0) // amount for name, amount in (("CPU", needs.cpus), ("GPU", needs.gpus)) if amount))
        for node in there
    )
