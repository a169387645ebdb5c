"""Which columns ``images.parquet`` has, read from its footer alone."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from love_thy_neighbors.disk import pass_on_refusal
from love_thy_neighbors.errors import UserError


def has_column(folder: Path, name: str) -> bool:
    """Whether the images of the collection in ``folder`` have the column; raises `UserError` if it cannot be read."""
    path = folder / "images.parquet"
    try:
        return name in pq.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        pass_on_refusal(path, error)
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: not a readable Parquet file ({reason}); run prepare.py again.") from None
