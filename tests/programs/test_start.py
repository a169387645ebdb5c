"""Hydra's messages as one sentence, and which settings the baseline keeps."""

import os
import subprocess
import sys

import pytest
from omegaconf.errors import OmegaConfBaseException

from conftest import ROOT, settings
from love_thy_neighbors.programs.start import _key, let_idle_threads_sleep, sentence


@pytest.mark.parametrize(
    ("raw", "one_line"),
    [
        (
            "In 'train': Could not find 'metadata/x'\n\nAvailable options in 'metadata':\n\tgroups\n\tsets\nConfig search path:\n\tprovider=main",
            "Could not find 'metadata/x'; available for 'metadata': groups, sets.",
        ),
        (
            "Could not override 'foo'.\nTo append to your config use +foo=3\nKey 'foo' is not in struct\n    full_key: foo\n    object_type=dict",
            "Could not override 'foo'. To append to your config use +foo=3 Key 'foo' is not in struct.",
        ),
        (
            "KeyError raised while resolving interpolation: 'm'\n    full_key: hydra.run.dir",
            "key 'm' is missing; it is needed, so do not delete it.",
        ),
        ("no newline", "no newline."),
        ("LexerNoViableAltException: data.dir=~/x\n^", "data.dir=~/x ^."),
    ],
)
def test_hydra_s_messages_become_one_sentence(raw: str, one_line: str) -> None:
    assert sentence(OmegaConfBaseException(raw)) == one_line


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("m=3", "m"),
        ("+model.arguments.hidden=3", "model"),
        ("~lr", "lr"),
        ("model=visual_mlp", "model"),
        ("metadata@x=sets", "metadata"),
    ],
)
def test_the_root_key_of_an_override(override: str, key: str) -> None:
    assert _key(override) == key


def test_interpolations_are_resolved() -> None:
    config = settings("tau=7")
    assert config["metadata"]["tau"] == 7
    assert config["data"]["dir"] == str(ROOT / "data" / "openclipart")
    assert "hydra" not in config


def test_model_py_needs_torch_alone_and_jaccard_py_no_torch() -> None:
    """Imports point one way: nothing below the entry points knows Hydra, and the core knows no framework."""
    allowed = {
        "model": {"torch"},
        "neighborhoods": {"torch"},
        "neighbors/jaccard": {"numpy", "scipy", "numba"},
        "metrics": {"torch", "torchmetrics"},
    }
    heavy = {
        "torch",
        "torchmetrics",
        "pytorch_lightning",
        "hydra",
        "omegaconf",
        "numba",
        "scipy",
        "pyarrow",
        "wandb",
        "love_thy_neighbors",
    }
    import ast

    for name, may in allowed.items():
        tree = ast.parse((ROOT / "src" / "love_thy_neighbors" / f"{name}.py").read_text())
        imported = {
            alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        imported |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert imported & heavy <= may, name
    for path in (ROOT / "src" / "love_thy_neighbors").rglob("*.py"):
        if path.stem not in ("start", "build", "loggers", "experiments", "sweep_outcomes"):
            assert "import hydra" not in path.read_text(), path
            assert "from hydra" not in path.read_text(), path


def test_importing_the_entry_module_is_light() -> None:
    code = "import love_thy_neighbors.programs.start, sys; assert not {'torch', 'numba', 'pyarrow', 'scipy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("set_by_user", "expected"),
    [
        ({}, ("passive", "2000")),
        ({"OMP_WAIT_POLICY": "active"}, ("active", None)),  # a count of turns would overrule it
        ({"GOMP_SPINCOUNT": "7"}, ("passive", "7")),
    ],
    ids=["nothing", "policy", "count"],
)
def test_idle_threads_sleep_unless_the_user_wants_otherwise(
    monkeypatch: pytest.MonkeyPatch, set_by_user: dict[str, str], expected: tuple[str, str | None]
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # so that what the function sets is undone after the test
        monkeypatch.delenv(name)
    for name, value in set_by_user.items():
        monkeypatch.setenv(name, value)
    let_idle_threads_sleep()
    assert (os.environ["OMP_WAIT_POLICY"], os.environ.get("GOMP_SPINCOUNT")) == expected
