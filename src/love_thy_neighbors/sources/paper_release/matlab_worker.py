"""The process that reads ``.mat`` files for `matlab`, with bounded memory, as the libraries that read them can crash,
hang or ask for all memory there is on a damaged file. It takes one JSON request a line and answers in JSON lines.

Run by `matlab` alone: ``python -m love_thy_neighbors.sources.paper_release.matlab_worker``.
"""

import contextlib
import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from love_thy_neighbors.sources.paper_release.matlab_values import MatError, save_matrix, save_texts

_LEAST_MEMORY, _MOST_MEMORY = 1 << 30, 6 << 30  # bytes of address space, the libraries' among them
_MEMORY_A_BYTE = 100  # so much more for each byte of the file: MATLAB's compression is strong on zeros
_NAMES = 100  # variables listed, at most

Tell = Callable[[int], None]


def answer(request: dict[str, Any], tell: Tell) -> Any:
    """Do what is asked of the file ``request["path"]``; raises `MatError`."""
    path = Path(request["path"])
    hdf5 = _is_hdf5(path)
    reader: Any
    if hdf5:
        from love_thy_neighbors.sources.paper_release import matlab_hdf5 as reader
    else:
        from love_thy_neighbors.sources.paper_release import matlab_v5 as reader
    if request["do"] == "names":
        return reader.names(path)[:_NAMES]
    if request["do"] == "read":
        values = reader.read(path, request["names"], tell)
        return {
            name: _save(f"{request['into']}.{number}", value) for number, (name, value) in enumerate(values.items())
        }
    if not hdf5:
        raise MatError("is of version 5 to 7, which cannot hold a table of this size; version 7.3 is expected")
    from love_thy_neighbors.sources.paper_release.matlab_rows import copy_rows

    wanted = np.load(request["rows"], allow_pickle=False)
    faults, shape, dtype = copy_rows(path, request["name"], request["count"], wanted, Path(request["out"]), tell)
    np.save(request["faults"], faults, allow_pickle=False)
    return {"shape": shape, "dtype": dtype}


def _save(prefix: str, value: Any) -> dict[str, Any]:
    return save_texts(prefix, value) if isinstance(value, list) else save_matrix(prefix, value)


def _is_hdf5(path: Path) -> bool:
    """Whether it is of version 7.3; raises `MatError` for what is no MATLAB file of version 5 or later."""
    with path.open("rb") as file:
        head = file.read(520)
    if head[:8] == b"\x89HDF\r\n\x1a\n" or head[512:520] == b"\x89HDF\r\n\x1a\n":
        return True
    if head[124:128] not in (b"\x00\x01IM", b"\x01\x00MI"):
        raise MatError("is not a MATLAB file of version 5 or later")
    return False


def _bound_memory(path: str) -> None:
    with contextlib.suppress(ValueError, OSError):  # no such file, or macOS, which has no such limit
        most = min(_MOST_MEMORY, _LEAST_MEMORY + _MEMORY_A_BYTE * Path(path).stat().st_size)
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def served(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """The last reply to ``request``: {"answer": ...} or {"fault": why there is none}."""
    try:
        return {"answer": answer(request, tell)}
    except MatError as fault:
        return {"fault": str(fault)}
    except MemoryError:
        return {"fault": "needs more memory to be read than its size explains"}
    except Exception as error:  # whatever the libraries think of a damaged file
        reason = next(iter(str(error).splitlines()), "")[:200]
        return {"fault": f"cannot be read ({type(error).__name__}: {reason})"}


def main() -> None:
    """Answer the requests on standard input until it ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no reply

    def reply(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=replies, flush=True)

    for line in sys.stdin:
        request = json.loads(line)
        _bound_memory(request["path"])
        reply(served(request, lambda count: reply({"done": count})))


if __name__ == "__main__":
    main()
