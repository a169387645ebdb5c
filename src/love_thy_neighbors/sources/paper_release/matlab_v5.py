"""MATLAB files of version 5 to 7, through SciPy. Only for the process of `matlab_worker`: SciPy crashes on some damaged
files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from scipy import sparse
from scipy.io.matlab import MatlabFunction, MatlabObject, MatlabOpaque

from love_thy_neighbors.sources.paper_release.matlab_values import MatError, well_formed

_NUMBERS = "fiub"  # NumPy's kinds: float, integer, unsigned, logical


def names(path: Path) -> list[str]:
    """The variables of the file, from their headers alone."""
    return [name for name, _, _ in scipy.io.whosmat(str(path), appendmat=False)]


def read(path: Path, wanted: list[str], tell: Callable[[int], None]) -> dict[str, Any]:
    """The variables ``wanted``; "NUS.tags" is the field tags of the struct NUS. A list of texts is a cell array.

    ``tell`` is not called: SciPy reads a variable in one go.
    """
    tops = sorted({name.partition(".")[0] for name in wanted})
    for name, shape, kind in scipy.io.whosmat(str(path), appendmat=False):
        if name in tops and kind in ("function", "object", "opaque"):
            raise MatError(f"holds a MATLAB {kind} as {name}, which is not data")
        if name in tops and kind == "struct" and tuple(shape) != (1, 1):
            raise MatError(f"holds {name} as a struct array {list(shape)}, not as one struct")
    # Not compressed data: variables of other names, which are skipped.
    loaded = scipy.io.loadmat(str(path), appendmat=False, variable_names=tops, spmatrix=True)
    return {name: _plain(name, _variable(loaded, name)) for name in wanted}


def _variable(loaded: dict[str, Any], name: str) -> Any:
    top, _, field = name.partition(".")
    if top not in loaded:
        raise MatError(f"has no variable {top}")
    value = loaded[top]
    if not field:
        return value
    fields = getattr(getattr(value, "dtype", None), "names", None) or ()
    if field not in fields or isinstance(value, MatlabObject) or value.shape != (1, 1):
        raise MatError(f"has no {name} (fields of {top}: {', '.join(sorted(map(str, fields))[:20]) or 'none'})")
    return value[field][0, 0]


def _plain(name: str, value: Any) -> Any:
    if sparse.issparse(value):
        if value.dtype.kind in _NUMBERS:
            return value.tocsc()
    elif isinstance(value, np.ndarray) and not isinstance(value, MatlabFunction | MatlabObject | MatlabOpaque):
        if value.dtype.kind in _NUMBERS and value.ndim == 2:
            return value
        if value.dtype == object and value.ndim == 2:
            return [_text(name, entry) for entry in value.ravel(order="F")]
    raise MatError(f"holds {name}, which is neither numbers nor a cell array of texts")


def _text(name: str, entry: Any) -> str:
    """A row of characters; SciPy gives it as an array of one text, and of none where it is empty."""
    if isinstance(entry, np.ndarray) and entry.size == 0:
        return ""
    if not isinstance(entry, np.ndarray) or entry.dtype.kind != "U" or entry.size != 1:
        raise MatError(f"holds {name}, a cell array with something other than texts in it")
    return well_formed(str(entry.ravel()[0]))
