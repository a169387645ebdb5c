"""docs/paper_map.md leads to files that are there, and to commands that Hydra accepts."""

import re

from conftest import ROOT, settings
from love_thy_neighbors.programs.experiments import experiment_names

TEXT = (ROOT / "docs" / "paper_map.md").read_text(encoding="utf-8")


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(links) > 60
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_every_command_composes() -> None:
    commands = re.findall(r"`train\.py ?([^`]*)`", TEXT)
    assert len(commands) > 20
    for command in commands:
        overrides = [word for word in command.split() if word != "-m"]
        settings(*(re.sub(r"=0,1,2,3,4$", "=0", word) for word in overrides))


def test_every_experiment_and_equation_is_named() -> None:
    assert [name for name in experiment_names() if f"experiment={name}`" not in TEXT] == []
    assert {f"{kind} {number}" for kind, last in (("Table", 4), ("Figure", 8)) for number in range(1, last + 1)} - set(
        re.findall(r"(?:Table|Figure) \d", TEXT)
    ) == {"Figure 1", "Figure 2"}
