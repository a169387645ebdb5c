"""docs/paper_map.md names commands, experiments and definitions that exist (its links: test_links.py)."""

import re

from conftest import ROOT, settings
from love_thy_neighbors.programs.experiments import experiment_names

TEXT = (ROOT / "docs" / "paper_map.md").read_text(encoding="utf-8")


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


def test_every_name_is_defined_in_the_file_beside_it() -> None:
    named = re.findall(r"\]\(([^)]+\.py)\): ((?:`\w+`(?:, )?)+)", TEXT)
    assert len(named) > 10
    for link, names in named:
        source = (ROOT / "docs" / link).read_text(encoding="utf-8")
        for name in re.findall(r"\w+", names):
            assert re.search(rf"(def|class) {name}\b", source), (link, name)
