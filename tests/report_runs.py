"""Made-up results of train.py, and a collection for them."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from conftest import made_up_table, write_made_up
from love_thy_neighbors.collection import Collection, load_collection
from love_thy_neighbors.identity import run_name
from love_thy_neighbors.results import write_results
from love_thy_neighbors.splits import make_split
from love_thy_neighbors.tables import METRICS

HOSTILE = "<script>alert(1)</script> a|b_c % & $x$ \\end{table} [l](javascript:1)"


def write_pictured(folder: Path) -> Path:
    """Made-up images with thumbnails for most, and a label with a hostile name."""
    table, features = made_up_table()
    renamed = [[HOSTILE if name == "label0" else name for name in row] for row in table["labels"].to_pylist()]
    table = table.set_column(table.schema.get_field_index("labels"), table.schema.field("labels"), [renamed])
    write_made_up(folder, table, features)
    (folder / "thumbnails").mkdir()
    for row in range(200):
        Image.new("RGB", (20, 20), (row, 99, 99)).save(folder / "thumbnails" / f"{row}.webp")
    return folder


class FakeRuns:
    """Writes results as train.py does, with scores that are better with neighbours than without."""

    QUALITY = {"visual_only": 0.4, "neighborhood": 1.2, "neighborhood_tagvec": 1.5, "upper_bound": 9.0}  # noqa: RUF012

    def __init__(self, folder: Path, logs: Path) -> None:
        self.collection: Collection = load_collection(folder)
        self.logs = logs

    def write(self, config: dict[str, Any]) -> Path:
        folder = self.logs / run_name(config)
        folder.mkdir(parents=True, exist_ok=True)
        arrays, figures = getattr(self, f"_{config['measure']}")(config)
        write_results(folder, config, 61.5, arrays, **figures)
        return folder

    def _annotation(self, config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        rows = make_split(self.collection.labels, config["data"]["split_sizes"], config["split"]).rows["test"]
        model = config["model"]["name"]
        rng = np.random.default_rng([config["split"], len(model)])
        labels = self.collection.labels[rows].toarray().astype(float)
        scores = (2 * labels - 1) * self.QUALITY.get(model, 0.6) + rng.normal(0, 1, labels.shape)
        neighbors = rng.choice(rows, (len(rows), config["M"])).astype(np.int32)
        gain = {"visual_only": 0, "neighborhood": 4, "neighborhood_tagvec": 9}.get(model, 2)
        gain += {"tags": 1, "groups": 0.5}.get(config["test_metadata"]["type"], 0) if gain == 4 else 0
        test = {metric: 60 + gain + config["split"] + rng.normal(0, 0.1) for metric in METRICS}
        arrays = {"scores": scores.astype(np.float32), "rows": rows, "neighbors": neighbors}
        return arrays, {"val": test, "test": test}

    def _score_parts(self, config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        arrays, figures = self._annotation(config)
        bias = np.full(len(self.collection.label_names), -0.25, np.float32)
        neighborhood = np.random.default_rng(1).normal(0, 1, arrays["scores"].shape).astype(np.float32)
        parts = {"image_part": arrays["scores"] - neighborhood - bias, "neighborhood_part": neighborhood, "bias": bias}
        W_y = np.random.default_rng(2).normal(0, 1, (len(bias), 16)).astype(np.float32)
        return arrays | parts | {"W_y": W_y}, figures | {"score_parts": {"largest_error": 0.0}}

    def _statistics(self, config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        spread = {"mean": 2.5, "median": 2.0}
        count = {"values": 1234, "images_per_value": spread, "values_per_image": {"mean": None, "median": None}}
        return {}, {"statistics": {"images": 240, "labels": count, "tags": count, "sets": count, "groups": count}}

    def _label_correlation(self, config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        types, names = ["tags", "sets", "groups", "visual"], self.collection.label_names
        fall = np.linspace(0.9, 0.7, 20) + 0.01 * config["split"]
        mean = {kind: [*(fall - 0.1 * place)[:-1].tolist(), None] for place, kind in enumerate(types)}
        probability = np.repeat(
            np.array([[[*m[:-1], np.nan] for m in mean.values()]]).transpose(1, 2, 0), len(names), 2
        )
        figures = {"types": types, "K": 20, "mean": mean, "coverage": {kind: [1.0] * 20 for kind in types}}
        chance = np.linspace(0.1, 0.3, len(names)).astype(np.float32)
        figures |= {"chance": 0.2, "labels": list(names)}
        return {"probability": probability.astype(np.float32), "chance": chance}, {"label_correlation": figures}
