"""Writing and undoing replace and cut off nothing but what annotate.py has written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.decided import Decided, write_decided
from fixtures.tree import tree
from love_thy_neighbors.decisions.journal import JOURNAL
from love_thy_neighbors.decisions.undo import undo
from love_thy_neighbors.decisions.writing import write_decisions
from love_thy_neighbors.errors import UserError


@pytest.fixture
def decided(tmp_path: Path) -> Decided:
    return write_decided(tmp_path).decide((1, "sea", "yes"), (2, "sea", "yes"))


def written(decided: Decided, to: str, dry_run: bool, **keys: Any) -> None:
    write_decisions(decided.folder, decided.table, to, dry_run=dry_run, **keys)


def refused(decided: Decided, named: str, work: Callable[[], object]) -> None:
    """``work`` ends with a sentence that begins with ``named``, and nothing has changed."""
    before = tree(decided.table.parent)
    with pytest.raises(UserError) as caught:
        work()
    assert str(caught.value).startswith(named)
    after = {name: content for name, content in tree(decided.table.parent).items() if not name.endswith(".lock")}
    assert after == before


@pytest.mark.parametrize(
    ("name", "to", "dry_run"),
    [
        ("would-write.csv", "xmp", True),
        ("written.csv", "xmp", False),
        ("would-write.csv", "csv", True),
        ("written.csv", "jsonl", False),
        ("would-undo.csv", None, True),
        ("undone.csv", None, False),
    ],
)
@pytest.mark.parametrize("kind", ["file", "empty", "link"])
def test_a_file_that_is_not_our_list_is_not_replaced(
    decided: Decided, name: str, to: str | None, dry_run: bool, kind: str
) -> None:
    path = decided.folder / name
    if kind == "link":
        path.symlink_to(decided.table)
    else:
        path.write_text("photo,why\nsea,I like it\n" if kind == "file" else "")
    if to is None:
        refused(decided, str(path), lambda: undo(decided.folder, dry_run=dry_run))
    else:
        refused(decided, str(path), lambda: written(decided, to, dry_run))


def test_our_list_is_replaced(decided: Decided) -> None:
    for _ in range(2):
        written(decided, "xmp", dry_run=True)
        written(decided, "xmp", dry_run=False)
        undo(decided.folder)
        undo(decided.folder, dry_run=False)


@pytest.mark.parametrize("to", ["csv", "jsonl"])
def test_labels_that_are_there_are_replaced_on_request_only(decided: Decided, to: str) -> None:
    path = decided.folder / f"labels.{to}"
    for link in (False, True):
        if link:
            path.symlink_to("nowhere")
        else:
            path.write_text("mine")
        for dry_run in (True, False):
            refused(decided, f"out: {path} ", lambda dry_run=dry_run: written(decided, to, dry_run))
        path.unlink()
    written(decided, to, dry_run=False)
    written(decided, to, dry_run=False, overwrite=True)


@pytest.mark.parametrize(
    "content",
    [
        "a diary without a last line break",
        '{"entry": 1}\n{"entry',
        '{"number": 1, "change": "write"}\n',
        "x\n",
        '{"numbers": [1',
    ],
)
@pytest.mark.parametrize("work", ["write", "undo"])
def test_a_journal_of_something_else_is_not_cut_or_written(decided: Decided, content: str, work: str) -> None:
    path = decided.folder / JOURNAL
    path.write_text(content)
    how = {"write": lambda: written(decided, "xmp", dry_run=False), "undo": lambda: undo(decided.folder, dry_run=False)}
    refused(decided, str(path), how[work])


@pytest.mark.parametrize("name", ["nowhere", "private.txt"])
def test_a_journal_is_not_written_through_a_link(decided: Decided, tmp_path: Path, name: str) -> None:
    (tmp_path / "private.txt").touch()
    (decided.folder / JOURNAL).symlink_to(tmp_path / name)
    refused(decided, str(decided.folder / JOURNAL), lambda: written(decided, "xmp", dry_run=False))


def test_a_sidecar_s_neighbours_with_names_like_ours_stay(decided: Decided) -> None:
    written(decided, "xmp", dry_run=False)
    path = decided.folder / JOURNAL
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))  # as if killed: the last has no end
    sidecar = decided.sidecar(2)
    alike = [sidecar.with_name(f".{sidecar.name}.{end}") for end in ("abcd1234.tmp", "tmp", "abcdef.ltn.tmp.txt")]
    for one in alike:
        one.write_text("mine")
    undo(decided.folder, dry_run=False)
    assert [one.read_text() for one in alike] == ["mine"] * 3
