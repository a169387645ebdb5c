"""annotation/files.py."""

import json
from pathlib import Path

import numpy as np
import pytest

from love_thy_neighbors.annotation.files import ABOUT, PHOTOS, read_annotation
from love_thy_neighbors.errors import UserError
from made_up_annotation import KINDS, write_made_up_annotation


def test_what_is_written_is_read(tmp_path: Path) -> None:
    found = read_annotation(write_made_up_annotation(tmp_path / "made up"))
    assert found.photos.num_rows == 60
    parts = sum(found.suggestions[f"part_{kind}"].to_numpy() for kind in ["image", *KINDS])
    np.testing.assert_allclose(parts + found.suggestions["bias"].to_numpy(), found.suggestions["score"], rtol=1e-4)


@pytest.mark.parametrize("name", [ABOUT, PHOTOS])
@pytest.mark.parametrize("content", [None, b"not what it should be", b"{}"])
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    write_made_up_annotation(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_annotation(tmp_path)
    assert str(tmp_path / name) in str(caught.value)


def test_another_format_is_refused(tmp_path: Path) -> None:
    write_made_up_annotation(tmp_path)
    values = json.loads((tmp_path / ABOUT).read_text())
    (tmp_path / ABOUT).write_text(json.dumps(values | {"format": 2}))
    with pytest.raises(UserError, match="format 1"):
        read_annotation(tmp_path)
