"""Compiles functions to machine code with Numba, and keeps that code on disk where a folder for it can be written."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba
from numba.core.caching import FunctionCache


class _Cache(FunctionCache):
    """Numba's cache on disk; what cannot be read or written, as on a full disk, is compiled again each time."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        with suppress(OSError):
            return super().load_overload(sig, target_context)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """A decorator: compile to machine code that runs without the GIL. ``options`` are those of `numba.njit`.

    Numba keeps the code beside the source or in the user's home. Someone who may write to neither, as in a container
    without a home, compiles in every process, which takes some seconds.
    """

    def compile_function(function: Callable[..., Any]) -> Any:
        machine_code: Any = numba.njit(function, nogil=True, **options)
        with suppress(RuntimeError):  # no folder that can be written
            machine_code._cache = _Cache(function)  # as `numba.njit(cache=True)` does with a FunctionCache
        return machine_code

    return compile_function
