"""Text files of releases with anything in them: a reader reads them or says in one sentence what is wrong."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from fuzz_worker import mutated
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures import mirflickr as mirflickr_release
from fixtures import nuswide as nuswide_release
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources import flickr, mirflickr, nuswide
from love_thy_neighbors.sources.rejects import Rejects
from love_thy_neighbors.sources.release import Release

HOW = Extraction(device="cpu")
Read = Callable[[], Release]


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Read]]:
    """Text files of miniature releases, and what reads each of them."""
    folder = tmp_path_factory.mktemp("damaged")
    wide = nuswide_release.write(folder / "wide")
    photos = mirflickr_release.made_up()
    flickr_root = mirflickr_release.write(folder / "mir", photos)
    partial = folder / "partial"

    def read_wide(**options: object) -> Read:
        return lambda: nuswide.read(nuswide.Options(root=wide.root, **options), HOW, partial)  # type: ignore[arg-type]

    files: list[tuple[Path, Read]] = []
    for path in sorted(wide.root.rglob("*")):
        if path.suffix in (".txt", ".dat"):
            options: dict[str, object] = {"images": wide.pictures, "on_error": "skip"}
            if "1k" in path.name:
                options = {"tags": "tags1k"}
            elif "Low_Level" in str(path) or "ImageList" in str(path):
                options = {"low_level": ["CH"]}
            files.append((path, read_wide(**options)))
    for path in sorted(flickr_root.rglob("*.txt"))[::8]:
        chosen = mirflickr.Options(root=flickr_root, on_error="skip")
        files.append((path, lambda chosen=chosen: mirflickr.read(chosen, HOW, partial)))  # type: ignore[misc]
    return files


def refusal(act: Callable[[], object]) -> str | None:
    """What ``act`` refuses to do, or None."""
    try:
        act()
    except UserError as error:
        return str(error)
    return None


@given(seed=st.integers(0, 2**32), any_bytes=st.none() | st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_file_is_read_or_refused(
    releases: list[tuple[Path, Read]], seed: int, any_bytes: bytes | None
) -> None:
    rng = random.Random(seed)
    path, read = rng.choice(releases)
    whole = path.read_bytes()
    path.write_bytes(mutated(whole, rng) if any_bytes is None else any_bytes)
    try:
        message = refusal(read)
    finally:
        path.write_bytes(whole)
    assert message is None or (message.endswith(".") and "\n" not in message)


@pytest.mark.parametrize("number", range(20))
def test_the_files_are_sound_before(releases: list[tuple[Path, Read]], number: int) -> None:
    """Else the test above would pass whatever the damage."""
    assert releases[number * len(releases) // 20][1]().table.num_rows > 0


IDS = st.binary(max_size=200) | st.lists(st.sampled_from([b"12", b"x", b"", b"\xff", b"9" * 40])).map(b"\n".join)


@given(content=IDS)
@settings(max_examples=100, deadline=None)
def test_any_file_of_ids_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("ids") / "ids.txt"
    path.write_bytes(content)
    rejects = Rejects(str(path), "line", "skip")
    found: list[tuple[dict[str, int], dict[str, int]]] = []
    message = refusal(lambda: found.append(flickr._read_ids(path, rejects)))
    assert message is None or "\n" not in message
    lines = content.split(b"\n")
    for line_of, counts in found:
        assert all(lines[number - 1].strip() == id_.encode() for id_, number in line_of.items())
        assert len(line_of) + counts["ids_repeated"] + len(rejects.reasons) <= counts["lines"]
