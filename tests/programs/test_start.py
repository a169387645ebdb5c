"""Hydra's messages as one sentence, and which settings the baseline keeps."""

import os
import sys
from pathlib import Path

import pytest
from omegaconf.errors import OmegaConfBaseException

from conftest import ROOT, settings
from love_thy_neighbors.programs import start
from love_thy_neighbors.programs.start import _key, let_idle_threads_sleep, run, sentence


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


def test_a_copy_without_configs_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(start, "ROOT", tmp_path / "site-packages")
    with pytest.raises(SystemExit):
        run(lambda: None)


def test_the_package_of_another_clone_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "src" / "love_thy_neighbors").mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "train.py")])
    with pytest.raises(SystemExit):
        run(lambda: None)
    assert "pip install -e ." in capsys.readouterr().err


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
