"""Tags that are left out because programs write them: ``ignored_tags.txt``, and the file of the key ``ignore_tags``."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from love_thy_neighbors.errors import UserError

MAX_BYTES = 1 << 20  # of the user's file
_BY_USER = "in ignore_tags"


@dataclass(frozen=True)
class IgnoredTags:
    """Reasons by tag and by pattern, both in `_key`'s form, and the tags and patterns that are kept in any case."""

    tags: dict[str, str] = field(default_factory=dict)
    patterns: tuple[tuple[re.Pattern[str], str], ...] = ()
    kept: tuple[re.Pattern[str], ...] = ()
    _known: dict[str, str | None] = field(default_factory=dict, repr=False, compare=False)

    def reason(self, tag: str) -> str | None:
        """Why ``tag``, or a tree "a|b", is left out; None if it is kept."""
        key = _key(tag)
        if key not in self._known:  # few tags have many pictures
            is_kept = any(pattern.fullmatch(key) for pattern in self.kept)
            found = (reason for pattern, reason in self.patterns if pattern.fullmatch(key))
            self._known[key] = None if is_kept else self.tags.get(key) or next(found, None)
        return self._known[key]

    def of_one(self, tags: Iterable[str], paths: Iterable[str] = (), made_with: Iterable[str] = ()) -> dict[str, str]:
        """The ``tags`` of one picture that are left out, with the reason.

        Left out are also all levels of those ``paths`` that are a program's own, unless they are in another path, and
        the names of the camera, the lens and the program that the picture was ``made_with``.
        """
        levels: dict[str, str | None] = {}
        for path in paths:
            reason = self.reason(path)
            for level in path.split("|"):
                is_first = _key(level) not in levels
                levels[_key(level)] = reason if is_first else reason and levels[_key(level)]
        tools = {_key(name) for name in made_with}
        out = {}
        for tag in tags:
            reason = self.reason(tag) or levels.get(_key(tag))
            if not reason and _key(tag) in tools and not any(pattern.fullmatch(_key(tag)) for pattern in self.kept):
                reason = "the picture's own camera, lens or program"
            if reason:
                out[tag] = reason
        return out


def read_ignored(path: Path | None) -> IgnoredTags:
    """The project's list, and the lines of ``path``; raises `UserError` for a file that cannot be read."""
    own = (files("love_thy_neighbors.sources") / "ignored_tags.txt").read_text("utf-8")
    lines = [*_lines(own), *(() if path is None else _lines(_users(path)))]
    kept = {_key(tag[1:]) for tag, _ in lines if tag.startswith("!")}
    others = {_key(tag): reason for tag, reason in lines if not tag.startswith("!") and _key(tag) not in kept}
    return IgnoredTags(
        {tag: reason for tag, reason in others.items() if "*" not in tag},
        tuple((_pattern(tag), reason) for tag, reason in others.items() if "*" in tag),
        tuple(_pattern(tag) for tag in sorted(kept)),
    )


def _users(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"ignore_tags: {path} is over {MAX_BYTES >> 20} MiB; give a list with one tag a line.")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"ignore_tags: {path} cannot be read ({error.strerror}); give a list of tags.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"ignore_tags: {path}, line {line} is not UTF-8; save the file as UTF-8.") from None


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """The tag and the reason of each line that is not blank and no comment."""
    for line in text.splitlines():
        tag, _, reason = line.strip().partition("\t")
        if tag.strip("! ") and tag != "#" and not tag.startswith("# "):  # "#sea" is a tag
            yield tag.strip(), reason.strip() or _BY_USER


def _key(tag: str) -> str:
    return " ".join(unicodedata.normalize("NFC", tag).casefold().split())


def _pattern(key: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, key.split("*"))), re.DOTALL)
