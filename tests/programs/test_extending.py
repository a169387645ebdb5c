"""What a user adds to the project, and the few files that it takes (docs/extending.md)."""

import json
from pathlib import Path

import numpy as np

from conftest import run_program


def test_a_metadata_type_of_ones_own_needs_no_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    topic = rng.integers(0, 4, 120).tolist()
    np.save(tmp_path / "features.npy", np.eye(4, 16)[topic] + rng.normal(0, 0.8, (120, 16)))
    lines = [
        {"id": str(i), "labels": [f"label{t}"], "tags": [f"tag{i % 9}"], "cameras": [f"camera{t}"]}
        for i, t in enumerate(topic)
    ]
    (tmp_path / "photos.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = ("source=jsonl", "records=photos.jsonl", "features=features.npy", "out=mine")
    made = run_program("prepare.py", *source, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "cameras" in made.stdout

    mine = ("data=collection", "data.dir=mine", f"cache={tmp_path}/cache")
    lists = run_program("neighbors.py", *mine, "metadata=cameras", "test_metadata=tags", cwd=tmp_path)
    assert lists.returncode == 0, lists.stderr

    short = (*mine, f"logs={tmp_path}/logs", "epochs=1", "h=8", "baseline=null")
    swept = run_program("train.py", "-m", *short, "metadata=tags,cameras", "test_metadata=cameras", cwd=tmp_path)
    assert swept.returncode == 0, swept.stdout + swept.stderr
    configs = [json.loads(path.read_text())["config"] for path in tmp_path.glob("logs/*/results.json")]
    pairs = {(config["metadata"]["type"], config["test_metadata"]["type"]) for config in configs}
    assert pairs == {("cameras", "cameras"), ("tags", "cameras"), ("tags", "tags")}  # the last trains for the second
    assert {config["metadata"]["tau"] for config in configs if config["metadata"]["type"] == "cameras"} == {None}

    refused = run_program("train.py", *short, "metadata=camras", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("train.py: metadata=camras: ")
    assert refused.stderr.endswith("it has tags, cameras.\n")
