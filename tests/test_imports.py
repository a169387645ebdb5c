"""Data goes one way, and so do imports: which package may import which, and what the paper's modules need."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

PACKAGE = ROOT / "src" / "love_thy_neighbors"
TOOLS = {"errors", "progress", "terminal", "visible", "atomic", "disk", "ownership", "plain_json"}
# Each room may import the rooms to its right. A room that is missing here has no rule yet: add it.
MAY_IMPORT = {
    "model": set(),
    "relational": {"model"},
    "neighborhoods": set(),
    "metrics": set(),
    "splits": TOOLS,
    "paper": set(),
    "errors": set(),
    "progress": {"terminal", "visible"},
    "terminal": {"visible"},
    "visible": set(),
    "plain_json": set(),
    "atomic": {"disk", "errors", "ownership"},
    "disk": set(),
    "compiled": set(),
    "ownership": {"errors"},
    "cluster": TOOLS,
    "slurm": TOOLS,
    "collection": TOOLS,
    "neighbors": TOOLS | {"cluster", "collection", "compiled", "splits"},
    "features": TOOLS | {"cluster", "collection"},
    "baselines": {"model"},
    "analysis": {"model", "relational", "collection", "errors"},
    "calibration": TOOLS,
    "runs": TOOLS | {"splits", "collection"},
    "sources": TOOLS | {"cluster", "collection", "features", "analysis", "splits", "paper"},
    "training": TOOLS
    | {"model", "relational", "neighborhoods", "metrics", "splits", "collection", "compiled", "neighbors", "baselines"}
    | {"runs", "slurm"},
    "jobs": TOOLS
    | {"relational", "metrics", "splits", "calibration", "analysis", "collection", "neighbors", "baselines", "training"}
    | {"runs", "slurm"},
    "programs": TOOLS
    | {"cluster", "collection", "neighbors", "runs", "training", "annotation", "decisions", "decision_page", "slurm"},
    "annotation": TOOLS
    | {"model", "relational", "neighborhoods", "splits", "collection", "cluster", "neighbors", "features", "sources"}
    | {"calibration", "runs"},
    "decision_page": TOOLS | {"annotation"},
    "decisions": TOOLS | {"annotation"},
    "report": TOOLS
    | {"paper", "metrics", "analysis", "calibration", "collection", "neighbors", "runs", "programs", "splits"},
}
# What the modules of the paper need besides Python itself.
NEEDS = {
    "model.py": {"torch"},
    "relational.py": {"torch"},
    "neighborhoods.py": {"torch"},
    "metrics.py": {"numpy", "torch", "torchmetrics"},
    "paper.py": set(),
    "neighbors/jaccard.py": {"numpy", "scipy", "numba"},
}


def imported(path: Path) -> set[str]:
    """The modules that a file imports, as dotted names, wherever in the file."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms(path: Path) -> set[str]:
    """The rooms of the package that a file imports."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("love_thy_neighbors.")}


@pytest.mark.parametrize("room", sorted({path.stem for path in PACKAGE.glob("*") if not path.stem.startswith("__")}))
def test_imports_go_one_way(room: str) -> None:
    files = [PACKAGE / f"{room}.py"] if (PACKAGE / f"{room}.py").is_file() else list((PACKAGE / room).rglob("*.py"))
    for path in files:
        assert rooms(path) - {room} <= MAY_IMPORT[room], path


def test_the_table_has_no_circle() -> None:
    order: list[str] = []
    while len(order) < len(MAY_IMPORT):
        free = [room for room, others in MAY_IMPORT.items() if room not in order and others - {room} <= {*order}]
        assert free, set(MAY_IMPORT) - set(order)
        order += free


@pytest.mark.parametrize("name", NEEDS)
def test_modules_of_the_paper_need_little(name: str) -> None:
    heads = {one.split(".")[0] for one in imported(PACKAGE / name)}
    assert heads - set(sys.stdlib_module_names) - {"love_thy_neighbors"} <= NEEDS[name]


@pytest.mark.parametrize("framework", ["hydra", "pytorch_lightning"])
def test_who_knows_the_frameworks(framework: str) -> None:
    """Hydra composes configs for the programs, and builds trainer and logger; Lightning trains."""
    knows = {path for path in PACKAGE.rglob("*.py") if any(n.split(".")[0] == framework for n in imported(path))}
    here = {str(path.relative_to(PACKAGE)) for path in knows}
    if framework == "hydra":
        here = {name for name in here if not name.startswith("programs/")}
        assert here <= {"jobs/build.py", "training/loggers.py"}
    else:
        assert {name.split("/")[0] for name in here} <= {"training", "jobs"}


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("programs.start", ("torch", "numba", "pyarrow", "scipy")),  # --help is quick
        ("paper", ("scipy", "numpy", "torch")),
        ("neighbors.jaccard", ("torch",)),
        ("neighbors.lists", ("faiss",)),  # only a search of visual neighbours needs it
        ("features.decoding", ("torch",)),  # it is imported by every process that decodes
    ],
)
def test_what_an_import_does_not_load(module: str, absent: tuple[str, ...]) -> None:
    code = f"import love_thy_neighbors.{module}, sys; sys.exit(', '.join({{*{absent!r}}} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
