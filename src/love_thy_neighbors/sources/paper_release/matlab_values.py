"""What a variable of a ``.mat`` file is here, and how it travels from the process that reads it: as plain ``.npy``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from scipy import sparse

# Numbers [r, c] in MATLAB's orientation, a sparse matrix of the same, or the texts of a cell array in MATLAB's order.
Value: TypeAlias = np.ndarray | sparse.csc_matrix | pa.Array


class MatError(Exception):
    """Why a ``.mat`` file cannot be used; the message completes "NUS_data.mat: ..."."""


def well_formed(text: str) -> str:
    """``text``, whose characters are MATLAB's 16-bit units, with pairs of them joined and lone halves replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def save_texts(prefix: str, texts: Sequence[str]) -> dict[str, Any]:
    """Write ``texts`` beside ``prefix`` as UTF-8 and offsets; returns what `load_value` needs."""
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    _save(f"{prefix}.bytes.npy", np.frombuffer(b"".join(encoded), dtype=np.uint8))
    _save(f"{prefix}.offsets.npy", offsets)
    return {"kind": "texts"}


def save_matrix(prefix: str, value: np.ndarray | sparse.csc_matrix) -> dict[str, Any]:
    """Write numbers or a sparse matrix beside ``prefix``; returns what `load_value` needs."""
    if not sparse.issparse(value):
        _save(f"{prefix}.values.npy", value)
        return {"kind": "numbers"}
    for part in ("data", "indices", "indptr"):
        _save(f"{prefix}.{part}.npy", getattr(value, part))
    return {"kind": "sparse", "shape": [int(size) for size in value.shape]}


def load_value(prefix: str, about: dict[str, Any]) -> Value:
    """What was written beside ``prefix``. Raises `MatError` if it is not consistent in itself."""
    try:
        if about["kind"] == "texts":
            offsets, text = _load(f"{prefix}.offsets.npy"), _load(f"{prefix}.bytes.npy")
            buffers = [None, pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(text.astype(np.uint8))]
            texts = pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)
            texts.validate(full=True)
            return texts.cast(pa.string())
        if about["kind"] == "numbers":
            return _load(f"{prefix}.values.npy")
        data, indices, indptr = (_load(f"{prefix}.{part}.npy") for part in ("data", "indices", "indptr"))
        matrix = sparse.csc_matrix((data, indices, indptr), shape=tuple(about["shape"]))
        matrix.check_format(full_check=True)  # indices that point outside would be written to later
        return matrix
    except (ValueError, TypeError, pa.ArrowInvalid) as error:
        raise MatError(f"holds a damaged array ({str(error).splitlines()[0]})") from None


def _save(path: str, array: np.ndarray) -> None:
    np.save(path, array, allow_pickle=False)


def _load(path: str) -> np.ndarray:
    array = np.load(path, allow_pickle=False)
    Path(path).unlink()
    return array
