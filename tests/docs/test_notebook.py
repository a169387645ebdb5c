"""The notebook runs from the first cell to the last, after a training as its first cell asks for."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from conftest import ROOT, run_program


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    short = ("epochs=8", "baseline=null", f"logs={tmp_path}/logs/runs", f"cache={tmp_path}/cache")
    done = run_program("train.py", *short, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    notebook = nbformat.read(ROOT / "docs" / "annotate.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # outputs are not committed
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(
        one.get("text", "") for cell in notebook.cells for one in cell.get("outputs", []) if one.output_type == "stream"
    )
    assert "image alone" in printed
    assert "90%" in printed
