"""Files below a folder, found by the names that tables and records give them: one rule for all sources.

A name that is there is taken as it is. Otherwise these differences do not count, as long as one file alone fits:

    2019\\beach.jpg             backslashes, as Windows writes them
    ./2019//beach.jpg          a leading ./, doubled slashes
    2019/Ku\u0308ste.jpg              another form of Unicode (macOS takes accents apart)
    2019/Beach.JPG             capitals
    photos/2019/beach.jpg      the path as it is seen from above the folder ("photos"), up to a full path; also a full
    C:\\photos\\2019\\beach.jpg   path of another computer, if the folder has the same name there
    beach.jpg, 2019/beach      without its folder, without its suffix
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

_CLOSE = 0.75  # ratio of difflib from which on names are alike
MOST_HINTS = 10  # each takes up to a second with 200,000 files
MOST_COMPARED = 2000  # names


class Found(NamedTuple):
    """The path of a file below the folder, and whether it is the name as it was given."""

    path: str
    exact: bool


class FileNames:
    """The ``paths`` of files below ``root``, with forward slashes; ``find`` is the rule above."""

    def __init__(self, root: Path, paths: Iterable[str]) -> None:
        self._root, self._paths = root, dict.fromkeys(paths)
        self._hints = MOST_HINTS

    def find(self, name: str) -> Found | None:
        """The file that is called ``name``; None if none or several are."""
        if name in self._paths:
            return Found(name, True)
        for plain in (forms := list(self._plain(name))):
            folded = plain.casefold()
            path = self._composed.get(plain) or self._folded.get(folded) or self._stems.get(folded)
            if path:
                return Found(path, False)
        bare = forms[0].casefold() if forms and "/" not in forms[0] else ""  # a file name alone
        path = self._by_name.get(bare) or self._by_stem.get(bare)
        return Found(path, False) if path else None

    def hint(self, name: str) -> str:
        """The end of a message that ``name`` is not found: " (did you mean ...?)", or nothing.

        A file of the same name in another folder comes first, then one whose name is alike. After `MOST_HINTS` calls
        the answer is empty.
        """
        wanted = next(iter(self._plain(name)), "").casefold()
        if self._hints <= 0 or not wanted:
            return ""
        self._hints -= 1
        own = _base(wanted)
        same = [(form, path) for form, path in self._forms if _base(form) == own]
        if len(same) > 1 and "/" not in wanted:
            return f" ({len(same)} files have this name, {same[0][1]!r} is one: write its folder, too)"
        if not same:
            alike = _alike(own, {_base(form) for form, _ in self._forms})
            same = [(form, path) for form, path in self._forms if _base(form) == alike]
        paths = dict(same[:MOST_COMPARED])
        close = get_close_matches(wanted, paths, n=1, cutoff=0.0)
        return f" (did you mean {paths[close[0]]!r}?)" if close else ""

    def _plain(self, name: str) -> Iterator[str]:
        """``name`` with forward slashes, in NFC, below the folder: as it is, and from each part on that is called like
        the folder."""
        parts = [part for part in _form(name).replace("\\", "/").split("/") if part not in ("", ".")]
        if ".." in parts:
            return
        yield "/".join(parts)
        for place, part in enumerate(parts[:-1]):
            if part.casefold() in self._own_names:
                yield "/".join(parts[place + 1 :])

    @cached_property
    def _own_names(self) -> set[str]:
        return {_form(name).casefold() for name in (self._root.name, self._root.resolve().name) if name}

    @cached_property
    def _forms(self) -> list[tuple[str, str]]:
        """Each path in NFC and lower case, and as it is."""
        return [(_form(path).casefold(), path) for path in self._paths]

    @cached_property
    def _composed(self) -> Mapping[str, str]:
        return _only((_form(path), path) for path in self._paths)

    @cached_property
    def _folded(self) -> Mapping[str, str]:
        return _only(self._forms)

    @cached_property
    def _stems(self) -> Mapping[str, str]:
        return _only((_stem(form), path) for form, path in self._forms)

    @cached_property
    def _by_name(self) -> Mapping[str, str]:
        return _only((_base(form), path) for form, path in self._forms)

    @cached_property
    def _by_stem(self) -> Mapping[str, str]:
        return _only((_base(_stem(form)), path) for form, path in self._forms)


def _alike(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that is most like ``name``, if any is; its first or second half must be the same, because
    comparing all of 200,000 names takes 15 seconds."""
    stem = _stem(name) or name
    half = max(1, len(stem) // 2)
    some = [one for one in names if one.startswith(stem[:half]) or _stem(one).endswith(stem[-half:])]
    return next(iter(get_close_matches(name, sorted(some)[:MOST_COMPARED], n=1, cutoff=_CLOSE)), None)


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _stem(path: str) -> str:
    """``path`` without its suffix; empty if it has none."""
    return path.rpartition(".")[0] if "." in _base(path) else ""


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _only(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The path of each key that has only one."""
    found: dict[str, str] = {}
    several = set()
    for key, path in pairs:
        if found.setdefault(key, path) != path:
            several.add(key)
    return {key: path for key, path in found.items() if key and key not in several}
