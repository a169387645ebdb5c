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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader stands: photos.jsonl and photos/ beside the programs."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "photos").mkdir()
    table, features = made_up_table(90)
    rng = np.random.default_rng(0)
    with (folder / "photos.jsonl").open("w") as file:
        for row in table.to_pylist():
            Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(folder / "photos" / row["file"])
            file.write(json.dumps(row) + "\n")
    np.save(folder / "feats.npy", features)
    return folder


def programs() -> list[str]:
    without_end = {command for command in COMMANDS if "watch=true" in command}  # see test_report_program.py
    return [c for c in COMMANDS if c not in BY_MAKE | ON_A_CLUSTER | without_end]


def test_the_commands_are_found() -> None:
    assert len(programs()) >= 6
    assert ON_A_CLUSTER


@pytest.mark.parametrize("command", programs())
def test_every_command_runs(command: str, folder: Path) -> None:
    words = shlex.split(command.removeprefix(".venv/bin/").replace("split=0,1,2,3,4", "split=0,1"))
    assert words[0] == "python"
    short: list[str] = []
    if words[1] == "report.py":
        short = [f"runs={folder}/logs", f"out={folder}/report"]
        assert run_program("train.py", "measure=statistics", f"logs={folder}/logs", cwd=folder).returncode == 0
    if words[1] == "train.py":
        short = [f"logs={folder}/logs", f"cache={folder}/cache", "h=8"]
        if not any(word.startswith(("epochs=", "debug=")) for word in words):
            short += ["epochs=1", "baseline=null", "trainer.enable_progress_bar=false"]
        if any(word.startswith("experiment=") for word in words):
            short += ["split=0", "model=visual_only"]
        if "data.dir=data/mine" in words and not (folder / "data" / "mine").exists():
            made = run_program(
                "prepare.py", "source=jsonl", "records=photos.jsonl", "features=feats.npy", "out=data/mine", cwd=folder
            )
            assert made.returncode == 0, made.stderr
    elif (folder / "data" / "mine").exists():
        shutil.rmtree(folder / "data" / "mine")
    done = run_program(words[1], *words[2:], *short, cwd=folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", sorted(ON_A_CLUSTER))
def test_cluster_commands_compose(command: str, folder: Path) -> None:
    overrides = [word for word in shlex.split(command)[2:] if word != "-m" and not word.startswith("split=")]
    assert settings(*overrides)["resume"] is True
    shown = run_program("train.py", *overrides, "--cfg", "hydra", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert "SlurmLauncher" in shown.stdout
    assert "partition: gpu" in shown.stdout


def test_every_link_of_the_readme_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_record_of_the_readme_is_one_that_prepare_takes() -> None:
    from love_thy_neighbors.sources.jsonl_lines import parse_line

    (line,) = re.findall(r"```json\n(.*?)\n```", README, re.DOTALL)
    record = parse_line(line.encode(), file_required=True)
    assert record.id == "4711"
    assert record.labels
