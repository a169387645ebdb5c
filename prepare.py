"""Make a collection: python prepare.py source=openclipart|jsonl ... out=FOLDER (keys: configs/prepare.yaml)."""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from love_thy_neighbors.entry import as_text, fail, job, run
from love_thy_neighbors.errors import UserError


def work(config: DictConfig) -> None:
    """Make the collection that ``config`` describes."""
    if config.out is None:
        raise UserError("out: give the folder to write (out=data/mine).")
    if not isinstance(config.overwrite, bool):
        raise UserError(f"overwrite: must be true or false, not {config.overwrite}.")
    from love_thy_neighbors.extraction import Extraction  # late, like the sources, so that --help is quick

    how = Extraction(**{key: config[key] for key in Extraction.__dataclass_fields__ if key in config})
    out = Path(str(config.out))
    if out.is_symlink():  # the folder is replaced, not the link to it
        out = out.resolve()
    if HydraConfig.get().runtime.choices["source"] == "openclipart":
        from love_thy_neighbors.sources import openclipart

        openclipart.prepare(as_text(config.root), out, config.overwrite, how)
    else:
        from love_thy_neighbors.sources import jsonl

        keys = ("records", "images", "features", "min_positives", "on_error", "max_line_bytes")
        paths = {key: as_text(config[key]) for key in ("records", "images", "features")}
        jsonl.prepare(jsonl.Options(**{key: config[key] for key in keys} | paths), out, config.overwrite, how)


@hydra.main(version_base="1.3", config_path="configs", config_name="prepare")
def main(config: DictConfig) -> None:
    """Hydra's way in."""
    try:
        job(work, config)
    except KeyboardInterrupt:
        fail("interrupted; the same command continues where it stopped.")


if __name__ == "__main__":
    run(main)
