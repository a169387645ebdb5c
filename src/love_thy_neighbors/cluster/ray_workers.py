"""Runs blocks of work on a Ray cluster; each block is finished once, even if machines or processes are lost.

The data that all blocks need is put into Ray's object store once. Each node gets one copy, which its workers share.
Every worker is an actor that works on one block at a time. Results come back to the program, which writes the
files. If a worker dies, another worker gets its block. New nodes get workers too.
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

# Ray reads these when it is imported: send no usage statistics, and do not warn of a default that will change.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray.exceptions import RayError, RayTaskError

TRIES = 5  # after so many dead workers on one block, give up
NODES_EVERY = 2.0  # seconds after which the list of nodes is read again

Work = Callable[[Any], Any]


class Needs(NamedTuple):
    """The cores and GPUs that one worker needs."""

    cpus: int
    gpus: int = 0


CORE = Needs(1)


def connect(engine: Engine) -> None:
    """Connect to the cluster at ``engine.address``, or start one on this machine; a second call does nothing.

    Ray stops a cluster that was started here when the program ends. Raises `UserError` if there is no cluster.
    """
    if ray.is_initialized():
        return
    here: dict[str, Any] = {} if engine.address else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    address = engine.address or "local"  # with None, Ray would connect to any cluster it finds
    try:
        host, colon, port = address.rpartition(":")
        if colon:  # Ray itself waits for many minutes if nobody answers
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address, logging_level=logging.ERROR, log_to_driver=False, **here)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise UserError(
            f"ray.address: cannot connect to a cluster at {address} ({str(error).splitlines()[0]}); start one with "
            "ray start --head, or leave ray.address out."
        ) from None


class _Worker:
    """The Ray actor. ``open`` is not part of ``__init__``, because Ray would wrap the errors of ``__init__``."""

    def open(self, open_work: Callable[[Any], Work], shared: Any) -> None:
        self.work = open_work(shared)

    def do(self, argument: Any) -> Any:
        return self.work(argument)


def run_on_cluster(
    engine: Engine,
    open_work: Callable[[Any], Work],
    shared: Any,
    blocks: Sequence[range],
    needs: Needs = CORE,
    argument: Callable[[range], Any] = lambda block: block,
) -> Iterator[tuple[range, Any]]:
    """Yield each block with its result, in the order in which they finish.

    Each worker calls ``work = open_work(shared)`` once, and ``work(argument(block))`` for each of its blocks. NumPy
    arrays in ``shared`` are read-only and are not copied within a node. Raises `UserError` if workers die on one block
    again and again, and every error that the work itself raises.
    """
    connect(engine)
    stored = ray.put(shared)
    worker: Any = ray.remote(num_cpus=needs.cpus, num_gpus=needs.gpus)(_Worker)
    running: _Running = {}

    def start_worker() -> None:
        actor = worker.remote()
        running[actor.open.remote(open_work, stored)] = actor, None

    try:
        yield from _finished(deque(blocks), running, start_worker, needs, argument)
    finally:
        for actor, _ in running.values():
            ray.kill(actor)


_Running = dict[Any, tuple[Any, range | None]]  # Ray's future: the actor and its block, None while it opens the work


def _finished(
    todo: deque[range],
    running: _Running,
    start_worker: Callable[[], None],
    needs: Needs,
    argument: Callable[[range], Any],
) -> Iterator[tuple[range, Any]]:
    """Give the blocks ``todo`` to workers and yield them with their results."""
    deaths = Counter[range | None]()
    checked, capacity = float("-inf"), 0
    while todo or any(block is not None for _, block in running.values()):
        if time.monotonic() > checked + NODES_EVERY:
            checked, capacity = time.monotonic(), _capacity(needs)
        opening = sum(block is None for _, block in running.values())
        for _ in range(min(capacity - len(running), len(todo) - opening)):
            start_worker()
        if not running:  # no node has room
            time.sleep(NODES_EVERY)
            continue
        for future in ray.wait(list(running), timeout=NODES_EVERY)[0]:
            actor, block = running.pop(future)
            result, alive = _result(future, block, deaths)
            if not alive:
                todo.extendleft([block] if block is not None else [])
                continue
            if todo:
                following = todo.popleft()
                running[actor.do.remote(argument(following))] = actor, following
            if block is not None:
                yield block, result


def _result(future: Any, block: range | None, deaths: Counter[range | None]) -> tuple[Any, bool]:
    """The result of a block, and whether its worker is alive; raises `UserError` after `TRIES` deaths on one block."""
    try:
        result = ray.get(future)
    except RayTaskError as error:
        raise error.cause if isinstance(error.cause, UserError) else error from None
    except RayError as error:  # the worker, its node or the result is lost
        deaths[block] += 1
        if deaths[block] >= TRIES:
            where = f"at rows {block.start} to {block.stop - 1}" if block is not None else "at their start"
            raise UserError(
                f"engine=ray: {TRIES} workers died {where} ({str(error).strip().splitlines()[0]}); if memory ran out, "
                "give Ray fewer cores. Finished blocks are stored: the same command continues."
            ) from None
        return None, False
    del deaths[block]
    return result, True


def _capacity(needs: Needs) -> int:
    """How many workers fit on the living nodes."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(
        int(min(node.get(name, 0) // amount for name, amount in (("CPU", needs.cpus), ("GPU", needs.gpus)) if amount))
        for node in nodes
    )
