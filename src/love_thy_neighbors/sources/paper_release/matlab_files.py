"""MATLAB's ``.mat`` files: version 5 to 7 through SciPy, version 7.3 through h5py (`matlab_hdf5`).

What the libraries raise on a damaged file becomes one sentence. SciPy can crash on a damaged file of version 5.
"""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import scipy.io
from scipy import sparse
from scipy.io.matlab import MatlabFunction, MatlabObject, MatlabOpaque

from love_thy_neighbors.sources.paper_release.matlab_checks import NUMBERS, MatError, errors_name_file, is_hdf5

# Numbers [r, c] in MATLAB's orientation, a sparse matrix of the same, or the texts of a cell array in MATLAB's order.
Value: TypeAlias = np.ndarray | sparse.csc_matrix | pa.Array


def variable_names(path: Path) -> list[str]:
    """The names of the variables in the file; raises `UserError`."""
    with errors_name_file(path):
        if not is_hdf5(path):
            return [name for name, _, _ in scipy.io.whosmat(str(path), appendmat=False)]
        from love_thy_neighbors.sources.paper_release import matlab_hdf5  # needs h5py, an optional package

        return matlab_hdf5.variable_names(path)


def read_variables(path: Path, names: list[str]) -> dict[str, Value]:
    """The variables ``names``; "NUS.tags" is the field tags of the struct NUS. Raises `UserError`."""
    with errors_name_file(path):
        if is_hdf5(path):
            from love_thy_neighbors.sources.paper_release import matlab_hdf5

            found = matlab_hdf5.read_variables(path, names)
        else:
            found = _read_version_5(path, names)
        for name, value in found.items():
            if sparse.issparse(value):
                try:
                    value.check_format(full_check=True)  # SciPy writes to indices unchecked
                except (ValueError, TypeError) as error:
                    raise MatError(f"holds {name}, a damaged sparse matrix ({error})") from None
        return {name: _as_texts(value) if isinstance(value, list) else value for name, value in found.items()}


def _as_texts(texts: list[str]) -> pa.Array:
    """``texts``, whose characters are MATLAB's 16-bit units: pairs are joined, lone halves are replaced."""
    joined = (
        text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        for text in texts
    )
    return pa.array(joined, pa.string())


def _read_version_5(path: Path, names: list[str]) -> dict[str, Any]:
    variables = sorted({name.partition(".")[0] for name in names})
    loaded = scipy.io.loadmat(str(path), appendmat=False, variable_names=variables, spmatrix=True)
    return {name: _plain(name, _variable(loaded, name)) for name in names}


def _variable(loaded: dict[str, Any], name: str) -> Any:
    top, _, field = name.partition(".")
    if top not in loaded:
        raise MatError(f"has no variable {top}")
    value = loaded[top]
    if not field:
        return value
    fields = getattr(getattr(value, "dtype", None), "names", None) or ()
    if field not in fields or isinstance(value, MatlabObject):
        raise MatError(f"has no {name} (fields of {top}: {', '.join(sorted(map(str, fields))[:20]) or 'none'})")
    if value.size != 1:
        raise MatError(f"holds {top}, an array of {value.size} structs where one struct is expected")
    return value[field][0, 0]


def _plain(name: str, value: Any) -> Any:
    """Numbers [r, c], a sparse matrix, or a list of texts; raises `MatError` for anything else."""
    if sparse.issparse(value) and value.dtype.kind in NUMBERS:
        return value.tocsc()
    special = isinstance(value, MatlabFunction | MatlabObject | MatlabOpaque)
    if isinstance(value, np.ndarray) and value.ndim == 2 and not special:
        if value.dtype.kind in NUMBERS:
            return value
        if value.dtype == object:
            return [_text(name, cell) for cell in value.ravel(order="F")]
    raise MatError(f"holds {name}, which is neither numbers nor a cell array of texts")


def _text(name: str, cell: Any) -> str:
    """The text of a cell: SciPy returns an array of one text, or an empty array for an empty text."""
    if isinstance(cell, np.ndarray) and cell.size == 0:
        return ""
    if not isinstance(cell, np.ndarray) or cell.dtype.kind != "U" or cell.size != 1:
        raise MatError(f"holds {name}, a cell array with something other than texts in it")
    return str(cell.ravel()[0])
