"""The commands of the README and of docs/*.md.

Lines of ``bash`` blocks run here, cut short, on miniatures. Lines of ``sh`` blocks and commands inside a sentence need a
cluster, files that cannot be had or much time: their configuration is composed. docs/extending.md has a test of its own.
"""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pages import PAGES, blocks, checked_text, command_lines, text_of
from PIL import Image

from conftest import ROOT, made_up_table, run_program, settings
from fixtures import nuswide
from love_thy_neighbors.slurm.signals import NEAR_THE_LIMIT

TEXTS = [checked_text(page) for page in PAGES if page.name != "extending.md"]
COMMANDS = list(dict.fromkeys(command for text in TEXTS for command in command_lines(text, "bash")))
COMPOSED = list(dict.fromkeys(command for text in TEXTS for command in command_lines(text, "sh")))
SET_UP = "python3 -m venv .venv && .venv/bin/pip install -e ."  # as `make` does it
# There is no SLURM here, and watch=true ends only by Ctrl-C (see tests/report/test_program.py).
ON_A_CLUSTER = [command for command in COMMANDS if "cluster=slurm" in command]
PROGRAMS = [
    command
    for command in COMMANDS
    if re.match(r"(\.venv/bin/)?python \w+\.py", command)
    and command not in ON_A_CLUSTER
    and "watch=true" not in command
]
BENCHMARKS = [command for command in COMMANDS if command.startswith("python benchmarks/")]

# The collections that commands use, made from miniatures: folder -> the settings of prepare.py.
MADE = {
    "data/mine": ("source=jsonl", "records=photos.jsonl", "features=feats.npy"),
    "data/nuswide": ("source=nuswide", "root=NUS-WIDE", "metadata=photosNUS.xml", "low_level=[CH]"),
    "data/synthetic": ("source=synthetic", "images=400", "dim=16"),
}
# What a test cannot have or takes long, and what is used instead.
STAND_INS = {
    "split=0,1,2,3,4": "split=0,1",
    "images=190253 dim=4096": "images=400 dim=16",
    "backbone=alexnet": "backbone=efficientnet_lite0",
    "features=resnet50": "features=efficientnet_lite0",
    "images=NUS-WIDE/Flickr": "images=Flickr",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder: photos, a records file, a table of labels, features and a NUS-WIDE."""
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


def test_every_command_is_of_a_known_kind() -> None:
    made = [command for command in COMMANDS if re.match(r"make [\w-]+( ARGS=\S+)?$", command)]
    watching = [command for command in COMMANDS if "watch=true" in command]
    assert {SET_UP, *made, *ON_A_CLUSTER, *watching, *PROGRAMS, *BENCHMARKS} == set(COMMANDS)
    assert min(len(made), len(ON_A_CLUSTER), len(watching), len(BENCHMARKS)) > 0
    assert len(PROGRAMS) >= 14
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert [command for command in made if command.split()[1] not in targets] == []


# Variants of commands that other lines run; `make test-slow` runs these too.
VARIANTS = (
    "precision=0.7",
    "archive=data/mine",
    "report.py data=",
    "engine=ray",
    "split=0,1,2,3,4 metadata",
    "nuswide cluster=joblib",
)


def as_parameter(command: str) -> Any:
    """The command; one process trains the run that those of annotate.py need."""
    marks = [pytest.mark.xdist_group("annotate commands")] if "annotate.py" in command else []
    return pytest.param(command, marks=[*marks, *[pytest.mark.slow] * any(part in command for part in VARIANTS)])


@pytest.mark.parametrize("command", map(as_parameter, PROGRAMS))
def test_every_command_runs(command: str, folder: Path) -> None:
    for real, stand_in in STAND_INS.items():
        command = command.replace(real, stand_in)
    words = shlex.split(command.removeprefix(".venv/bin/"))
    prepare = {
        "prepare.py": to_prepare,
        "train.py": to_train,
        "report.py": to_report,
        "neighbors.py": to_neighbors,
        "annotate.py": to_annotate,
    }
    short = prepare[words[1]](words, folder)
    done = run_program(words[1], *words[2:], *short, cwd=folder)
    assert done.returncode == 0, done.stderr


def to_prepare(words: list[str], folder: Path) -> list[str]:
    """Remove the collection that the command makes; make the one that it adds to."""
    for word in words:
        key, _, value = word.partition("=")
        if key == "out":
            shutil.rmtree(folder / value, ignore_errors=True)
    if "update=true" in words:
        done = run_program("prepare.py", *(word for word in words[2:] if word != "update=true"), cwd=folder)
        assert done.returncode == 0, done.stderr
    if "source=collection" in words:
        shutil.rmtree(folder / "data/mine", ignore_errors=True)
        have("data/mine", folder)
    return []


def to_train(words: list[str], folder: Path) -> list[str]:
    """Make the collection of the command; returns settings for a short training."""
    short = [f"logs={folder}/logs", f"cache={folder}/cache", "h=8"]
    if not any(word.startswith(("epochs=", "debug=")) for word in words):
        short += ["epochs=1", "baseline=null", "trainer.enable_progress_bar=false"]
    if any(word.startswith("experiment=") for word in words):
        short += ["split=0", "model=visual_only"]
    if "data=data/mine" in words:
        have("data/mine", folder)
    for name in ("nuswide", "synthetic"):
        if f"data={name}" in words:
            have(f"data/{name}", folder)
            short += [f"data.dir={folder}/data/{name}", "data.split_sizes=[0.6,0.2,0.2]"]
    return short


def to_neighbors(words: list[str], folder: Path) -> list[str]:
    """Make the collection of the command, and empty the cache."""
    have("data/synthetic", folder)
    shutil.rmtree(folder / "lists", ignore_errors=True)
    return [f"data.dir={folder}/data/synthetic", "data.split_sizes=[0.6,0.2,0.2]", f"cache={folder}/lists"]


def to_annotate(words: list[str], folder: Path) -> list[str]:
    """Make the run, the annotation and the decisions that the command needs."""
    have_run(folder)
    keys = dict(word.split("=", 1) for word in words[2:])
    if "archive" in keys:  # in place of data/mine, whose features other tests give as a file
        words[words.index(f"archive={keys['archive']}")] = "archive=data/of_photos"
    if "run" in keys:
        if "collection" in keys:
            shutil.copytree(folder / "data" / "of_photos", folder / keys["collection"], dirs_exist_ok=True)
        shutil.rmtree(folder / keys.get("out", f"logs/runs/RUN/{keys.get('images', 'test')}"), ignore_errors=True)
        return ["workers=0"]
    spring = folder / "annotations" / "spring"
    if not spring.is_dir():
        command = ("run=logs/runs/RUN", "photos=photos/", f"out={spring}", "workers=0")
        done = run_program("annotate.py", *command, cwd=folder)
        assert done.returncode == 0, done.stderr
    rows = pq.read_table(spring / "suggestions.parquet").slice(0, 5).to_pylist()
    lines = [f"{row['id']},{row['file']},{row['label']},yes,2026-11-27T12:00:00Z" for row in rows]
    (folder / "decisions.csv").write_text("\n".join(["id,file,label,decision,decided", *lines]))
    return []


def have_run(folder: Path) -> None:
    """A run on the photos with the features of a network that annotate.py has, under the name logs/runs/RUN."""
    run = folder / "logs" / "runs" / "RUN"
    if run.is_dir():
        return
    made = ("source=folder", "root=photos/", "labels=labels.csv", "out=data/of_photos")
    short = (
        "data=data/of_photos",
        "epochs=1",
        "h=8",
        "baseline=null",
        f"logs={folder}/made",
        f"cache={folder}/cache",
    )
    for program, arguments in (("prepare.py", made), ("train.py", short)):
        done = run_program(program, *arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
    run.parent.mkdir(parents=True, exist_ok=True)
    next((folder / "made").glob("photos-*")).rename(run)


def to_report(words: list[str], folder: Path) -> list[str]:
    """Make one run for the report."""
    data = []
    if "data=nuswide" in words:
        have("data/nuswide", folder)
        data = [f"data.dir={folder}/data/nuswide"]
    choice = [word for word in words if word.startswith(("data=", "data.dir="))]
    if "data.dir=data/mine" in words:
        have("data/mine", folder)
    done = run_program("train.py", "measure=statistics", f"logs={folder}/logs", *choice, *data, cwd=folder)
    assert done.returncode == 0, done.stderr
    return [f"runs={folder}/logs", f"out={folder}/report", *data]


def have(collection: str, folder: Path) -> None:
    """Make a collection of `MADE` unless it is there."""
    if not (folder / collection).exists():
        made = run_program("prepare.py", *MADE[collection], f"out={collection}", cwd=folder)
        assert made.returncode == 0, made.stderr


@pytest.mark.parametrize("command", ON_A_CLUSTER)
def test_commands_for_slurm_compose(command: str, folder: Path) -> None:
    overrides = [word for word in shlex.split(command)[2:] if word != "-m" and not word.startswith("split=")]
    assert settings(*overrides)["resume"] is True
    shown = run_program("train.py", *overrides, "--cfg", "hydra", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert "SlurmSweepLauncher" in shown.stdout
    assert "partition: gpu" in shown.stdout


def test_other_commands_compose() -> None:
    """Commands of ``sh`` blocks, and complete commands inside sentences."""
    inline = [command for text in TEXTS for command in re.findall(r"`(python \w+\.py [^`]*)`", text)]
    complete = [command for command in dict.fromkeys(inline) if not re.search(r"[A-Z]{4}|\.\.\.|--help", command)]
    ours = [command for command in COMPOSED if re.search(r"\b\w+\.py\b", command)]
    assert len(complete) >= 3
    assert len(ours) >= 4
    for command in complete + ours:
        compose(command)


def compose(command: str) -> None:
    """Compose the configuration of a command; of several values, the first."""
    from hydra import compose, initialize_config_dir

    from love_thy_neighbors.programs.start import register_resolvers

    register_resolvers()
    words = shlex.split(command)
    place = next(place for place, word in enumerate(words) if word.endswith(".py"))
    assert (ROOT / words[place]).is_file(), command
    overrides = [re.sub(r"=([^,\[{]+),.*", r"=\1", word) for word in words[place + 1 :] if word != "-m"]
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        compose(words[place].removesuffix(".py"), overrides=overrides)


@pytest.mark.parametrize("command", BENCHMARKS)
def test_every_benchmark_has_the_options_of_its_command(command: str) -> None:
    words = command.split()
    source = (ROOT / words[1]).read_text(encoding="utf-8")
    assert [word for word in words[2:] if word.startswith("--") and f'"{word}"' not in source] == []


def test_the_scripts_for_sbatch_ask_for_as_many_processes_as_they_start() -> None:
    scripts = [b for b in blocks(text_of(ROOT / "docs/sweeps-and-clusters.md"), "sh") if b.startswith("#!/bin/bash")]
    assert len(scripts) == 2
    for script in scripts:
        asked = {"nodes": "1", "ntasks-per-node": "1"} | dict(
            re.findall(r"^#SBATCH --(\S+)=(\S+)$", script, re.MULTILINE)
        )
        words = shlex.split(script.splitlines()[-1])
        config = settings(*words[words.index("train.py") + 1 :])
        trainer = {"num_nodes": 1} | config["trainer"]
        assert (trainer["num_nodes"], trainer["devices"]) == (int(asked["nodes"]), int(asked["ntasks-per-node"]))
        assert config["batch_size"] % (trainer["num_nodes"] * trainer["devices"]) == 0
        assert "#SBATCH --requeue" in script
        assert f"SIG{asked['signal'].split('@')[0]}" in NEAR_THE_LIMIT


def test_prepare_accepts_the_json_line_of_the_page() -> None:
    from love_thy_neighbors.sources.jsonl_lines import parse_line

    (line,) = blocks(text_of(ROOT / "docs/own-photos.md"), "json")
    record = parse_line(line.strip().encode(), file_required=True)
    assert record.id == "4711"
    assert record.labels
