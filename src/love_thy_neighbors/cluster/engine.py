"""Where blocks of work run: in this process, or on a Ray cluster."""

from dataclasses import dataclass
from importlib.util import find_spec

from love_thy_neighbors.errors import UserError


@dataclass(frozen=True)
class Engine:
    """The keys ``engine`` and ``ray.address``; raises `UserError` for wrong values.

    name: 'local' or 'ray'. address: of a running Ray cluster, 'auto' for the one on this machine; None starts one on
    this machine.
    """

    name: str = "local"
    address: str | None = None

    def __post_init__(self) -> None:
        if self.name not in ("local", "ray"):
            raise UserError(f"engine: '{self.name}' is not known; use local or ray.")
        if self.name == "local" and self.address is not None:
            raise UserError(
                f"ray.address: {self.address} works only with engine=ray; add that, or leave ray.address out."
            )
        if self.name == "ray" and find_spec("ray") is None:
            raise UserError("engine: 'ray' needs the package ray; install it with pip install -e '.[ray]'.")


LOCAL = Engine()
