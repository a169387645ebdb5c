"""Make a collection: python prepare.py source=openclipart|jsonl ... out=FOLDER (keys:
configs/prepare.yaml)."""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from love_thy_neighbors.entry import run
from love_thy_neighbors.errors import UserError


@hydra.main(version_base="1.3", config_path="configs", config_name="prepare")
def main(config: DictConfig) -> None:
    if config.out is None:
        raise UserError("out: give the folder to write (out=data/mine).")
    from love_thy_neighbors.features import Extraction  # late: --help needs no torch

    how = Extraction(**{key: config[key] for key in Extraction.__dataclass_fields__ if key in config})
    out, overwrite = Path(str(config.out)), bool(config.overwrite)
    if HydraConfig.get().runtime.choices["source"] == "openclipart":
        from love_thy_neighbors.sources import openclipart

        openclipart.prepare(config.root, out, overwrite, how)
    else:
        from love_thy_neighbors.sources import jsonl

        keys = ("records", "images", "features", "min_positives", "on_error", "max_line_bytes")
        jsonl.prepare(jsonl.Options(**{key: config[key] for key in keys}), out, overwrite, how)


if __name__ == "__main__":
    run(main)
