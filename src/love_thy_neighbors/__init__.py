"""Image annotation by exploiting image metadata (Johnson, Ballan, Fei-Fei, ICCV 2015)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from love_thy_neighbors.annotation.annotator import Annotator

__all__ = ["Annotator"]


def __getattr__(name: str) -> Any:
    """`Annotator` is imported when it is used: torch takes seconds, and not all programs need it."""
    if name != "Annotator":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from love_thy_neighbors.annotation.annotator import Annotator

    return Annotator
