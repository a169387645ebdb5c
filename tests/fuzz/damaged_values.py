"""Damage to nested plain values, as in JSON files and checkpoints: a value changed, lost, wrapped, doubled or huge."""

import copy
import random
from collections.abc import Callable
from typing import Any


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


# Every kind of value, small, huge and strange. Each is made anew, so that no case changes another.
ODD: tuple[Callable[[], Any], ...] = (
    lambda: None,
    lambda: True,
    lambda: 0,
    lambda: -1,
    lambda: 3,
    lambda: 10**12,
    lambda: -(10**12),
    lambda: 2**63,
    lambda: 10**400,
    lambda: 0.5,
    lambda: -0.5,
    lambda: 1e308,
    lambda: float("inf"),
    lambda: float("nan"),
    lambda: "",
    lambda: "3",
    lambda: "a" * 1000,
    lambda: "\x1b[31mred\nline",
    lambda: "\ud800",
    lambda: "../../outside",
    lambda: [],
    lambda: [1, "a", None],
    lambda: _nested(40),
    lambda: _nested(200),
    lambda: {},
    lambda: {"a": {"b": [1]}},
    lambda: {"\x1b[2J": 1},
)


def places(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The keys that lead to each value inside ``value``."""
    found: list[tuple[Any, ...]] = []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        found += [(*prefix, key), *places(one, (*prefix, key))]
    return found


def damaged(value: Any, rng: random.Random, odd: tuple[Callable[[], Any], ...] = ODD) -> tuple[Any, str]:
    """A copy of ``value`` with one to three wounds, and what they are."""
    value, wounds = copy.deepcopy(value), []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        where = rng.choice(places(value) or [()])
        if not where:
            return value, ", ".join(wounds)
        parent = value
        for key in where[:-1]:
            parent = parent[key]
        wounds.append(f"{_wound(parent, where[-1], rng, odd)} at {list(where)!r:.200}")
    return value, ", ".join(wounds)


def _wound(parent: Any, key: Any, rng: random.Random, odd: tuple[Callable[[], Any], ...]) -> str:
    """Do one thing to ``parent[key]``; returns what it was."""
    kind = rng.choice(("gone", "odd", "odd", "odd", "wrapped", "doubled", "renamed", "swapped"))
    match kind:
        case "gone":
            del parent[key]
        case "odd":
            made = rng.choice(odd)()
            parent[key] = made
            return f"{type(made).__name__} {made!r:.40}"
        case "wrapped":
            parent[key] = [parent[key]]
        case "doubled" if isinstance(parent[key], list):
            parent[key] = parent[key] * 2
        case "renamed" if isinstance(parent, dict):
            parent[rng.choice((f"{key}2", "", 7, "__proto__"))] = parent.pop(key)
        case _:
            others = [*parent] if isinstance(parent, dict) else [*range(len(parent))]
            other = rng.choice(others)
            parent[key], parent[other] = parent[other], parent[key]
    return kind
