"""The examples of docs/extending.md, added to a copy of the project."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import blocks, checked_text, command_lines
from PIL import Image

from conftest import ROOT, made_up_table

PAGE = checked_text(ROOT / "docs" / "extending.md")
SECTIONS = {section.splitlines()[0]: section for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]}
EXAMPLE = r"^`([\w/.]+\.(?:py|yaml))`:\n\n```(?:python|yaml)\n(.*?)^```$"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the programs, the package and the configuration, with photos, a table of them, records and features."""
    copy = tmp_path / "project"
    for name in ("src", "configs"):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for program in ROOT.glob("*.py"):
        shutil.copy(program, copy)
    (copy / "data").mkdir()
    (copy / "data" / "openclipart").symlink_to(ROOT / "data" / "openclipart")
    (copy / "photos").mkdir()
    lines = ["file,labels,tags", "missing.jpg,sea,waves"]
    rng = np.random.default_rng(0)
    for number in range(6):
        picture = Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8))
        picture.save(copy / "photos" / f"{number}.jpg")
        lines.append(f"{number}.jpg,sea;people,waves;holiday")
    (copy / "photos.csv").write_text("\n".join(lines))
    table, features = made_up_table(90)
    records = [row | {"cameras": row["groups"]} for row in table.to_pylist()]
    (copy / "photos.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    np.save(copy / "feats.npy", features)
    return copy


def as_parameter(name: str) -> Any:
    """The section "An experiment" trains for a minute."""
    return pytest.param(name, marks=[pytest.mark.slow] * (name == "An experiment"))


@pytest.mark.parametrize("name", [as_parameter(name) for name, section in SECTIONS.items() if blocks(section, "bash")])
def test_the_examples_of_a_section_run(name: str, project: Path) -> None:
    examples = re.findall(EXAMPLE, SECTIONS[name], re.DOTALL | re.MULTILINE)
    for path, content in examples:
        assert not (project / path).exists()
        (project / path).write_text(content, encoding="utf-8")
    for command in command_lines(SECTIONS[name], "bash"):
        words = shlex.split(command)[1:]
        if words[0] == "train.py":
            words += ["epochs=1", "h=8", "baseline=null", "split=0", "trainer.enable_progress_bar=false"]
        done = subprocess.run(
            [sys.executable, *words],
            cwd=project,
            env=os.environ | {"PYTHONPATH": str(project / "src")},
            capture_output=True,
            text=True,
            timeout=400,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr


def test_the_sections_are_found() -> None:
    assert len(re.findall(EXAMPLE, PAGE, re.DOTALL | re.MULTILINE)) >= 2
