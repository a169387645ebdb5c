"""Imports Lightning without the large packages that no run uses.

Lightning imports torchmetrics, from which this project takes one class. If torchvision, matplotlib and SciPy are
installed, torchmetrics imports them as well, for its measures of pictures and sound: a quarter of the time of `import
pytorch_lightning`. A third of it is torch's compiler, which Lightning calls while it is imported, so that stays.
"""

import importlib
import importlib.metadata
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_UNUSED = ("torchvision", "matplotlib", "scipy")


def import_lightning() -> None:
    """Import Lightning. torchmetrics treats `_UNUSED` as not installed, until the process ends; no other package does.

    Programs call this before they import what trains. Nothing is left out if torchmetrics has been imported already.
    """
    if "torchmetrics" not in sys.modules:
        with _not_installed(importlib.import_module("lightning_utilities.core.imports")):
            importlib.import_module("torchmetrics")
    importlib.import_module("pytorch_lightning")


@contextmanager
def _not_installed(checks: ModuleType) -> Iterator[None]:
    """Let ``checks``, with which Lightning's packages look for others, not find the packages `_UNUSED`.

    checks: `lightning_utilities.core.imports`. Where another version looks in another way, nothing is hidden.
    """
    replaced: dict[str, Any] = {name: vars(checks)[name] for name in ("_version", "find_spec") if name in vars(checks)}

    def version(name: str) -> str:
        if name in _UNUSED:
            raise importlib.metadata.PackageNotFoundError(name)
        return str(replaced["_version"](name))

    def find_spec(name: str, *others: Any) -> Any:
        return None if name in _UNUSED else replaced["find_spec"](name, *others)

    hiding = {"_version": version, "find_spec": find_spec}
    try:
        vars(checks).update((name, hiding[name]) for name in replaced)
        yield
    finally:
        vars(checks).update(replaced)
        for asked in ("package_available", "module_available"):  # they remember their answers
            getattr(vars(checks).get(asked), "cache_clear", lambda: None)()
