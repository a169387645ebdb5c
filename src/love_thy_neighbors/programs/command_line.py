"""The command line before Hydra reads it: its own options to the front, and a sentence for what is no KEY=VALUE.

A model within a model, model.of=NAME, is given to Hydra in its own words.

Hydra's parser ends with two pages of usage at an option behind a setting, at a space in a list, and at --key=value.
"""

from collections.abc import Sequence
from pathlib import Path

from love_thy_neighbors.errors import UserError

_WITH_VALUE = (
    *("--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd", "--cfg", "-c", "--package", "-p"),
    "--experimental-rerun",
)
_INFO, _OF_INFO = ("--info", "-i"), ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
_MODEL_OF = "model.of="  # a file of configs/model, not a text; Hydra wants group@place=NAME
_FLAGS = (
    *("--help", "-h", "--hydra-help", "--version", "--resolve", "--run", "-r", "--multirun", "-m"),
    *("--shell-completion", "-sc"),
)


def arranged(arguments: Sequence[str]) -> list[str]:
    """The arguments of a program with Hydra's options before the settings.

    Raises `UserError` for an option that does not exist, and for a word that is no ``key=value`` or ``~key``.
    """
    options: list[str] = []
    settings: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, _ = word.partition("=")
        if not word.startswith("-"):
            settings.append(word)
        elif name in _INFO:
            options.append(word if equals else f"{word}={rest.pop(0) if rest and rest[0] in _OF_INFO else 'all'}")
        elif name in _WITH_VALUE:
            options += [word] if equals else [word, *rest[:1]]
            del rest[: 0 if equals else 1]
        elif word in _FLAGS:
            options.append(word)
        else:
            key = name.lstrip("-")
            raise UserError(f"{word}: settings have no dashes; give {key}={word.partition('=')[2] or 'VALUE'}.")
    _check_settings(settings)
    return options + [f"model@{word}" if word.startswith(_MODEL_OF) else word for word in settings]


def _check_settings(words: Sequence[str]) -> None:
    """Raise `UserError` for a setting that spaces have cut into several words."""
    settings: list[list[str]] = []
    for word in words:
        begins_one = word.startswith("~") or word.find("=") > 0
        if begins_one or not settings:
            settings.append([])
        settings[-1].append(word)
    for pieces in settings:
        if len(pieces) > 1 or pieces[0].endswith(",") or not (pieces[0].startswith("~") or "=" in pieces[0]):
            joined = "".join(pieces).rstrip(",")
            cure = f"give {joined}" if "," in pieces[0] else "leave out the spaces, or put quotes around it"
            raise UserError(f"{' '.join(pieces)}: a setting is KEY=VALUE without spaces around = and commas; {cure}.")


def names_a_folder(value: str) -> bool:
    """Whether ``value`` of data=VALUE is a folder, and not the name of a file in configs/data."""
    # A path that is no folder counts too: the program then says what is wrong with it.
    return "/" in value or (bool(value) and (Path(value) / "card.json").is_file())
