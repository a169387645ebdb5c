"""The model of ``train.py data=PATH`` if the command names none: the relational one."""

from collections.abc import Sequence

from love_thy_neighbors.programs.command_line import names_a_folder

DEFAULT = "model=relational"
# Settings of the paper's model, and of commands that choose their models themselves.
_OF_ANOTHER = ("model", "experiment", "measure", "m", "neighborhoods.train", "neighborhoods.test", "neighborhoods.fill")
_OWN_CONFIG = ("--config-name", "-cn")  # it chooses its model
_WITHOUT_METADATA = ("visual", "labels")  # neighbours that only the paper's model can have


def with_default_model(words: Sequence[str]) -> list[str]:
    """The words of a command line, with `DEFAULT` where it has a collection of one's own and no other model is meant.

    On the paper's collections and the embedded one the default is the paper's model, `configs/train.yaml`.

    >>> with_default_model(["data=photos/mine"])
    ['data=photos/mine', 'model=relational']
    >>> with_default_model(["data=photos/mine", "m=3"])
    ['data=photos/mine', 'm=3']
    >>> with_default_model(["data=nuswide"])
    ['data=nuswide']
    """
    given = dict(word.lstrip("+").partition("=")[::2] for word in words if "=" in word and not word.startswith("-"))
    data = given.get("data", "")
    own = data == "collection" or names_a_folder(data)
    meant = any(word.partition("=")[0] in _OWN_CONFIG for word in words) or any(
        key == one or key.startswith((f"{one}.", f"{one}@")) for key in given for one in _OF_ANOTHER
    )
    visual = any(kind in given.get(key, "") for key in ("metadata", "test_metadata") for kind in _WITHOUT_METADATA)
    return [*words, DEFAULT] if own and not meant and not visual else list(words)
