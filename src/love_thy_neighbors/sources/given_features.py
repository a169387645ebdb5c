"""The table of features that a user gives with ``features=FILE``: ``.npy``, or ``.npz`` with one array.

Other kinds of files are not read; the message says how to make a ``.npy`` of them. Nothing is unpickled.
"""

import shutil
import zipfile
import zlib
from pathlib import Path

import numpy as np

from love_thy_neighbors.collection.table_files import open_npy
from love_thy_neighbors.disk import pass_on_refusal
from love_thy_neighbors.errors import UserError

# How Python reads the table in a file of that kind; {} is the file's name.
_READERS = {
    ".csv": "numpy.loadtxt('{}', delimiter=',')",
    ".tsv": "numpy.loadtxt('{}')",
    ".txt": "numpy.loadtxt('{}')",
    ".pt": "torch.load('{}', weights_only=True).numpy()",
    ".pth": "torch.load('{}', weights_only=True).numpy()",
    ".mat": "scipy.io.loadmat('{}')['NAME']",
    ".h5": "h5py.File('{}')['NAME'][()]",
    ".hdf5": "h5py.File('{}')['NAME'][()]",
    ".safetensors": "safetensors.numpy.load_file('{}')['NAME']",
    ".parquet": "pyarrow.parquet.read_table('{}').to_pandas().to_numpy()",
}
_PICKLES = (".pkl", ".pickle", ".joblib")
_MATLAB_7_3 = "h5py.File('{}')['NAME'][()].T"  # these files are HDF5, with the axes in the other order
_HDF5 = b"\x89HDF\r\n\x1a\n"
_HDF5_AT = 512  # where it begins in a file of MATLAB
_NUMPY = b"\x93NUMPY"


def is_file_name(features: str) -> bool:
    """Whether ``features`` means a file, and not a backbone: it ends like one, or there is such a file."""
    path = Path(features)
    return path.suffix.lower() in (".npy", ".npz", *_READERS, *_PICKLES) or path.is_file()


def open_given(path: Path, partial: Path) -> np.ndarray:
    """The table float [N, d] in ``path``, memory-mapped; an ``.npz`` is unpacked into the folder ``partial`` first.

    Raises `UserError` if there is no such file, if it is of another kind or damaged, or if it holds no such table.
    """
    table = _opened(path, partial)
    if table.ndim != 2 or table.dtype.kind != "f" or table.shape[1] == 0:
        raise UserError(f"{path}: {table.dtype} {list(table.shape)}, not a table [N, d] of floats.")
    return table


def _opened(path: Path, partial: Path) -> np.ndarray:
    suffix = path.suffix.lower()
    if suffix == ".npy" or not path.is_file():
        return open_npy(path)
    if suffix == ".npz":
        return _unpacked(path, partial)
    if _begins_with(path, _NUMPY):
        return open_npy(path)
    if suffix in _PICKLES:
        raise UserError(
            f"{path}: a pickle can run any program when it is opened, so it is not read; make the table again and "
            "write it with numpy.save."
        )
    reader = _MATLAB_7_3 if suffix == ".mat" and _begins_with(path, _HDF5, _HDF5_AT) else _READERS.get(suffix)
    how = "write the table with numpy.save" if reader is None else _conversion(path, reader)
    raise UserError(f"{path}: only .npy, and .npz with one array, are read; {how}.")


def _conversion(path: Path, reader: str) -> str:
    name = " with the array's name as NAME" if "NAME" in reader else ""
    return f"convert it in Python: numpy.save('{path.stem}.npy', {reader.format(path.name)}){name}"


def _begins_with(path: Path, signature: bytes, at: int = 0) -> bool:
    with path.open("rb") as file:
        file.seek(at)
        return file.read(len(signature)) == signature


def _unpacked(path: Path, partial: Path) -> np.ndarray:
    """The only array of an ``.npz``, written to ``partial`` block by block."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) != 1:
                names = ", ".join(member.filename.removesuffix(".npy") for member in members[:9])
                raise UserError(
                    f"{path}: holds {len(members)} arrays ({names}), not one; convert it in Python: "
                    f"numpy.save('{path.stem}.npy', numpy.load('{path.name}')['NAME']) with the array's name as NAME."
                )
            partial.mkdir(exist_ok=True)
            free = shutil.disk_usage(partial).free
            if members[0].file_size > free:
                raise UserError(f"{path}: {members[0].file_size:,} bytes unpacked, but {partial} has {free:,} free.")
            target = partial / "unpacked.npy"
            with archive.open(members[0]) as source, target.open("wb") as file:  # reads at most file_size bytes
                shutil.copyfileobj(source, file, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        pass_on_refusal(path, error)
        raise UserError(f"{path}: truncated or not a .npz file ({error}); write it again with numpy.savez.") from None
    return open_npy(target, path)
