"""Functions are compiled wherever the program runs: without a folder for the machine code, and on a full disk."""

import errno
from pathlib import Path

import numpy as np
import pytest
from numba.core import caching
from numba.core.caching import FunctionCache

from love_thy_neighbors.compiled import compiled


def increased(x: int) -> int:
    return x + 1


def test_the_code_is_kept_on_disk_and_read_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    assert compiled()(increased)(1) == 2
    assert list(tmp_path.rglob("*.nbc"))
    again = compiled()(increased)
    assert again(1) == 2
    assert sum(again.stats.cache_hits.values()) == 1


def test_without_a_folder_that_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert compiled()(increased)(1) == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("method", ["save_overload", "load_overload"])
def test_the_folder_fails_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, method: str, number: int) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(FunctionCache, method, fail)
    assert compiled()(increased)(1) == 2


def test_options_reach_numba() -> None:
    divided = compiled(error_model="numpy")(lambda a, b: a / b)
    assert np.isinf(divided(1.0, 0.0))
