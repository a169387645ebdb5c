"""What was seen in a source and not taken, such as a keyword that a program wrote by itself: how often, why, and where
first."""

import json
from dataclasses import dataclass, field
from typing import Any

from love_thy_neighbors.visible import one_line

_SHOWN = 12  # lines on the terminal; the files have all


@dataclass
class NotTaken:
    """Counts and the first file, by what it was and the reason; in the order in which they were found."""

    found: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

    def add(self, what: str, reason: str, file: str, count: int = 1) -> None:
        """Count ``what`` in ``file``, which was not taken for this ``reason``."""
        before, first = self.found.get((what, reason), (0, file))
        self.found[what, reason] = before + count, first

    def listed(self) -> list[dict[str, Any]]:
        """All entries, the most frequent first, as ``card.json`` has them."""
        entries = [
            {"not_taken": what, "reason": reason, "count": count, "first": first}
            for (what, reason), (count, first) in self.found.items()
        ]
        return sorted(entries, key=lambda entry: -entry["count"])

    def as_lines(self) -> str:
        """`listed` as lines of ``rejected.jsonl``."""
        return "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in self.listed())

    def shown(self) -> list[str]:
        """Lines for the terminal: the most frequent entries, and how many others there are."""
        entries = self.listed()
        lines = [
            one_line(f"not taken: '{one['not_taken']}' ({one['reason']}): {one['count']:,}, first in {one['first']}")
            for one in entries[:_SHOWN]
        ]
        others = len(entries) - _SHOWN
        return [*lines, f"not taken: {others:,} more, see rejected.jsonl"] if others > 0 else lines
