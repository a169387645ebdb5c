"""Every command that the README gives is run here, cut short, or is one of those that make and CI run."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT, made_up_table, run_program, settings
from fixtures import nuswide

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
COMMANDS = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()]

# Set-up and what make runs: CI itself begins with `make test` in a fresh clone, which does all of these but train.
BY_MAKE = {
    "make train",
    "make test",
    "make paper",
    "make picture",
    "python3 -m venv .venv && .venv/bin/pip install -e .",
}
# No SLURM here: the command's configuration is composed, as far as its launcher.
ON_A_CLUSTER = {command for command in COMMANDS if "cluster=slurm" in command}


# What the reader of a line has by then, made from miniatures: folder -> the settings of prepare.py.
MADE = {
    "data/mine": ("source=jsonl", "records=photos.jsonl", "features=feats.npy"),
    "data/nuswide": ("source=nuswide", "root=NUS-WIDE", "metadata=photosNUS.xml", "low_level=[CH]"),
    "data/synthetic": ("source=synthetic", "images=400", "dim=16"),
}
# What cannot be had in a test, and what stands in for it.
STAND_INS = {
    "split=0,1,2,3,4": "split=0,1",
    "images=190253 dim=4096": "images=400 dim=16",
    "backbone=alexnet": "backbone=efficientnet_lite0",
    "features=resnet50": "features=efficientnet_lite0",
    "images=NUS-WIDE/Flickr": "images=Flickr",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader stands: photos, a records file, a table of labels and a NUS-WIDE beside the programs."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "photos").mkdir()
    table, features = made_up_table(90)
    rng = np.random.default_rng(0)
    labels = ["file,label"]
    with (folder / "photos.jsonl").open("w") as file:
        for row in table.to_pylist():
            exif = Image.Exif()
            exif[0x9C9E] = ";".join(row["tags"]).encode("utf-16-le")  # XPKeywords
            picture = Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8))
            picture.save(folder / "photos" / row["file"], exif=exif)
            file.write(json.dumps(row) + "\n")
            labels += [f"{row['file']},{label}" for label in row["labels"]]
    (folder / "labels.csv").write_text("\n".join(labels))
    np.save(folder / "feats.npy", features)
    nuswide.write(folder)
    return folder


def programs() -> list[str]:
    without_end = {command for command in COMMANDS if "watch=true" in command}  # see test_report_program.py
    return [c for c in COMMANDS if c not in BY_MAKE | ON_A_CLUSTER | without_end]


def test_the_commands_are_found() -> None:
    assert len(programs()) >= 6
    assert ON_A_CLUSTER


@pytest.mark.parametrize("command", programs())
def test_every_command_runs(command: str, folder: Path) -> None:
    for real, stand_in in STAND_INS.items():
        command = command.replace(real, stand_in)
    words = shlex.split(command.removeprefix(".venv/bin/"))
    assert words[0] == "python"
    short = {"prepare.py": to_prepare, "train.py": to_train, "report.py": to_report, "neighbors.py": to_neighbors}[
        words[1]
    ](words, folder)
    done = run_program(words[1], *words[2:], *short, cwd=folder)
    assert done.returncode == 0, done.stderr


def to_prepare(words: list[str], folder: Path) -> list[str]:
    """Have the collection there that the command adds to, and not the one that it makes."""
    for word in words:
        key, _, value = word.partition("=")
        if key == "out":
            shutil.rmtree(folder / value, ignore_errors=True)
    if "source=collection" in words:
        shutil.rmtree(folder / "data/mine", ignore_errors=True)
        have("data/mine", folder)
    return []


def to_train(words: list[str], folder: Path) -> list[str]:
    """What cuts a training short, in a collection that is there."""
    short = [f"logs={folder}/logs", f"cache={folder}/cache", "h=8"]
    if not any(word.startswith(("epochs=", "debug=")) for word in words):
        short += ["epochs=1", "baseline=null", "trainer.enable_progress_bar=false"]
    if any(word.startswith("experiment=") for word in words):
        short += ["split=0", "model=visual_only"]
    if "data.dir=data/mine" in words:
        have("data/mine", folder)
    for name in ("nuswide", "synthetic"):
        if f"data={name}" in words:
            have(f"data/{name}", folder)
            short += [f"data.dir={folder}/data/{name}", "data.split_sizes=[0.6,0.2,0.2]"]
    return short


def to_neighbors(words: list[str], folder: Path) -> list[str]:
    """The collection that lists are made of, and a cache that is empty."""
    have("data/synthetic", folder)
    shutil.rmtree(folder / "lists", ignore_errors=True)
    return [f"data.dir={folder}/data/synthetic", "data.split_sizes=[0.6,0.2,0.2]", f"cache={folder}/lists"]


def to_report(words: list[str], folder: Path) -> list[str]:
    """A report of one run."""
    data = []
    if "data=nuswide" in words:
        have("data/nuswide", folder)
        data = [f"data.dir={folder}/data/nuswide"]
    choice = [word for word in words if word.startswith("data=")]
    done = run_program("train.py", "measure=statistics", f"logs={folder}/logs", *choice, *data, cwd=folder)
    assert done.returncode == 0, done.stderr
    return [f"runs={folder}/logs", f"out={folder}/report", *data]


def have(collection: str, folder: Path) -> None:
    if not (folder / collection).exists():
        made = run_program("prepare.py", *MADE[collection], f"out={collection}", cwd=folder)
        assert made.returncode == 0, made.stderr


@pytest.mark.parametrize("command", sorted(ON_A_CLUSTER))
def test_cluster_commands_compose(command: str, folder: Path) -> None:
    overrides = [word for word in shlex.split(command)[2:] if word != "-m" and not word.startswith("split=")]
    assert settings(*overrides)["resume"] is True
    shown = run_program("train.py", *overrides, "--cfg", "hydra", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert "SlurmLauncher" in shown.stdout
    assert "partition: gpu" in shown.stdout


def test_the_script_for_sbatch_asks_for_the_processes_that_it_starts() -> None:
    (script,) = re.findall(r"```sh\n(#!/bin/bash\n.*?)```", README, re.DOTALL)
    asked = dict(re.findall(r"^#SBATCH --(\S+)=(\S+)$", script, re.MULTILINE))
    words = shlex.split(script.splitlines()[-1])
    config = settings(*words[words.index("train.py") + 1 :])
    trainer = config["trainer"]
    assert (trainer["num_nodes"], trainer["devices"]) == (int(asked["nodes"]), int(asked["ntasks-per-node"]))
    assert config["batch_size"] % (trainer["num_nodes"] * trainer["devices"]) == 0


def test_every_link_of_the_readme_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_record_of_the_readme_is_one_that_prepare_takes() -> None:
    from love_thy_neighbors.sources.jsonl_lines import parse_line

    (line,) = re.findall(r"```json\n(.*?)\n```", README, re.DOTALL)
    record = parse_line(line.encode(), file_required=True)
    assert record.id == "4711"
    assert record.labels
