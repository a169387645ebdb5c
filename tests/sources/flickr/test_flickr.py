"""sources/flickr, flickr_cache: from ids to a trained model, stopped and killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import flickrapi
import pyarrow.parquet as pq
import pytest
from PIL import Image

from conftest import train_on
from fixtures.flickr_server import KEY, SECRET, Clock, FlickrServer, client, failure, serve
from fixtures.mcauley import COLOURS, TOPICS, topic_of
from fixtures.messages import names_the_same
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources import flickr
from love_thy_neighbors.sources.flickr import Options, fetch, read
from love_thy_neighbors.sources.flickr.cache import FlickrCache
from love_thy_neighbors.sources.flickr.photo_metadata import read_photo_metadata
from love_thy_neighbors.sources.flickr.photo_tables import Photo
from love_thy_neighbors.sources.prepare import make

HOW = Extraction(size=32, batch_size=16, workers=0, device="cpu", thumbnail=0)
INFO, CONTEXTS = "flickr.photos.getInfo", "flickr.photos.getAllContexts"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FlickrServer]:
    with serve(monkeypatch) as flickr:
        yield flickr


class Fetching:
    """An ids file and its cache, and the command on them."""

    def __init__(self, folder: Path, *ids: str) -> None:
        self.folder, self.ids, self.out = folder, folder / "ids.txt", folder / "out"
        self.ids.write_text("".join(f"{id_}\n" for id_ in ids))

    def prepare(self, **options: Any) -> dict[str, Any]:
        """What was counted."""
        make(read, Options(ids=self.ids, **options), self.out, True, HOW)
        return card_of(self.out)["clean_up"]

    def error(self, **options: Any) -> str:
        with pytest.raises(UserError) as caught:
            self.prepare(**options)
        assert not self.out.exists()
        return str(caught.value).replace(f"{self.folder}/", "")

    def rows(self) -> list[dict[str, Any]]:
        return pq.read_table(self.out / "images.parquet").to_pylist()


def card_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "card.json").read_text())


def test_what_is_cached_is_never_asked_for_again(
    server: FlickrServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetching = Fetching(tmp_path, "11", "404", "22", "11", "")
    counts = fetching.prepare()
    assert server.calls == [(INFO, "11"), (CONTEXTS, "11"), (INFO, "404"), (INFO, "22"), (CONTEXTS, "22")]
    assert counts == {"lines": 5, "ids_repeated": 1, "photos_missing": 1, "photos_failed": 0, "lines_rejected": 0, "reasons": {}}  # fmt: skip
    assert card_of(fetching.out)["source"]["photos_missing"] == 1
    assert fetching.rows() == [
        {"id": "11", "owner": "9@N00", "labels": [], "tags": ["goldengate", "sea"], "sets": ["721"], "groups": ["5@N00", "6@N00"]},
        {"id": "22", "owner": "1@N00", "labels": [], "tags": [], "sets": [], "groups": []},
    ]  # fmt: skip
    server.calls.clear()
    monkeypatch.delenv("FLICKR_API_KEY")  # not needed where nothing is asked
    assert fetching.prepare() == counts
    assert server.calls == []
    assert list(read_photo_metadata(tmp_path / "ids.sqlite")) == [
        Photo("11", "9@N00", ("goldengate", "sea"), ("721",), ("5@N00", "6@N00")),
        Photo("22", "1@N00"),
    ]


def test_what_was_fetched_before_a_stop_is_kept(server: FlickrServer, tmp_path: Path) -> None:
    fetching = Fetching(tmp_path, "11", "22")
    server.plan[:] = ["proper", "proper", failure(100)]
    assert fetching.error(cache=tmp_path / "kept" / "c.sqlite").startswith("FLICKR_API_KEY, FLICKR_API_SECRET: ")
    server.calls.clear()
    fetching.prepare(cache=tmp_path / "kept" / "c.sqlite")
    assert server.calls == [(INFO, "22"), (CONTEXTS, "22")]


def test_failed_photos_are_counted_and_asked_for_by_the_next_run(server: FlickrServer, tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "ids.sqlite"
    server.plan[:] = [b"?"] * 3
    with closing(FlickrCache(path, create=True)) as cache:
        fetch(["11", "22"], cache, client(clock), lambda count: None)
        assert cache.states() == {"11": "failed", "22": "found"}
    assert clock.slept == [2, 4]
    server.calls.clear()
    assert Fetching(tmp_path, "11", "22").prepare()["photos_failed"] == 0
    assert server.calls == [(INFO, "11"), (CONTEXTS, "11")]


def test_answers_that_all_make_no_sense_end_it(server: FlickrServer, tmp_path: Path) -> None:
    server.plan[:] = [b"<html>please log in</html>"] * 99
    with closing(FlickrCache(tmp_path / "c", create=True)) as cache:
        with pytest.raises(UserError) as caught:
            fetch([str(number) for number in range(30)], cache, client(Clock()), lambda count: None)
        assert len(cache.states()) == 5
    assert names_the_same(
        str(caught.value),
        (
            "ids: the answers for 5 photos in a row, the last 4, are not Flickr's (an answer is not JSON); what was fetched "
            "is kept, look whether something stands between you and api.flickr.com, and run the same command again."
        ),
    )


def test_a_new_process_remembers_the_calls_of_the_last_hour(
    server: FlickrServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(
        flickr, "_announce", lambda seconds: waits.append(seconds) or (_ for _ in ()).throw(KeyboardInterrupt)
    )
    fetching = Fetching(tmp_path, "11")
    fetching.prepare(calls_an_hour=3)
    fetching.ids.write_text("11\n22\n")
    with pytest.raises(KeyboardInterrupt):
        fetching.prepare(calls_an_hour=3)
    assert [call[0] for call in server.calls] == [INFO, CONTEXTS, INFO]
    assert 3500 < waits[0] <= 3600


KILLED = """
import sys, flickrapi
from pathlib import Path
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.sources.flickr import Options, read
from love_thy_neighbors.sources.prepare import make
flickrapi.FlickrAPI.REST_URL = sys.argv[1]
make(read, Options(ids=Path("ids.txt")), Path("out"), False, Extraction())
"""


def test_killed_half_way_it_goes_on_where_it_was(server: FlickrServer, tmp_path: Path) -> None:
    ids = [str(number) for number in range(100, 112)]
    for id_ in ids:
        server.add(id_, ["tag"], [], [])
    server.plan[:] = ["proper"] * 13 + ["hang"]
    command = [sys.executable, "-c", KILLED, flickrapi.FlickrAPI.REST_URL]
    fetching = Fetching(tmp_path, *ids)
    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ.copy(), stderr=subprocess.DEVNULL)
    try:
        while len(server.calls) < 14 and process.poll() is None:  # 6 photos, and the 7th in the middle
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not fetching.out.exists()
    assert len(server.calls) == 14
    server.calls.clear()
    fetching.prepare()
    assert [id_ for method, id_ in server.calls if method == INFO] == ids[6:]
    assert [row["id"] for row in fetching.rows()] == ids


@pytest.mark.usefixtures("mean_colour")
def test_from_ids_to_results(server: FlickrServer, tmp_path: Path) -> None:
    ids = [str(1000 + number) for number in range(60)]
    for number, id_ in enumerate(ids):
        topic = topic_of(number)
        server.add(id_, [f"{TOPICS[topic]} {number % 4}", "Nikon"], [str(number // 3)], [f"{topic}@N00"])
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.new("RGB", (24, 24), COLOURS[topic]).save(tmp_path / "photos" / f"{id_}_secret.jpg", comment=id_)
    (tmp_path / "labels.csv").write_text(
        "id,labels\n" + "".join(f"{id_},{TOPICS[topic_of(number)]};all\n" for number, id_ in enumerate(ids))
    )
    fetching = Fetching(tmp_path, *ids, "404")
    counts = fetching.prepare(images=tmp_path / "photos", labels=tmp_path / "labels.csv")
    assert (counts["photos_missing"], counts["photos_without_picture"], counts["label_lines"]) == (1, 0, 60)
    assert fetching.rows()[1] == {
        "id": "1001",
        "file": "1001_secret.jpg",
        "owner": "1@N00",
        "labels": ["all", "water"],
        "tags": ["water1", "nikon"],
        "sets": ["0"],
        "groups": ["1@N00"],
    }
    assert load_collection(fetching.out).features.table.shape == (60, 3)
    results = train_on(fetching.out, tmp_path, "m=2", "M=4", "metadata=groups", "epochs=20", "lr=0.02")
    assert results["test"]["mAP_L"] > 90


BAD_IDS: list[tuple[bytes, str]] = [
    (b"x12", "is 'x12', not a Flickr id (up to 20 digits)"),
    (b"12 34", "is '12 34', not a Flickr id (up to 20 digits)"),
    (b"1" * 21, f"is '{'1' * 21}', not a Flickr id (up to 20 digits)"),
    (b"-1", "is '-1', not a Flickr id (up to 20 digits)"),
    ("\u0661".encode(), "is '\\\\xd9\\\\xa1', not a Flickr id (up to 20 digits)"),
    (b"1" * 5000, "is a long line, not a Flickr id (up to 20 digits)"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_IDS, ids=[reason[:20] for _, reason in BAD_IDS])
def test_a_line_that_is_no_id(server: FlickrServer, tmp_path: Path, line: bytes, reason: str) -> None:
    fetching = Fetching(tmp_path)
    fetching.ids.write_bytes(b"\xef\xbb\xbf11\r\n" + line + b"\n 22 ")
    expected = f"ids.txt, line 2: {reason}; correct it, or leave bad lines out with on_error=skip."
    assert fetching.error() == expected
    assert server.calls == []
    assert fetching.prepare(on_error="skip")["lines_rejected"] == 1
    assert [row["id"] for row in fetching.rows()] == ["11", "22"]


def test_mistakes_around_it(server: FlickrServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetching = Fetching(tmp_path, "404")
    assert names_the_same(fetching.error(), "ids: Flickr shows none of the 1 photos of ids.txt; give other ids.")
    fetching.ids.write_text("11\n")
    (tmp_path / "labels.csv").write_text("id,label\n99,sea\n")
    assert fetching.error(labels=tmp_path / "labels.csv").startswith("labels.csv, line 2: names an unknown id")
    (tmp_path / "c.sqlite").write_text("no database, but text" * 99)
    assert names_the_same(
        fetching.error(cache=tmp_path / "c.sqlite"),
        ("c.sqlite: is not a sound cache of source=flickr (file is not a database); fetch it into another file."),
    )
    assert fetching.error(cache=tmp_path).startswith(f"{tmp_path}: cannot be opened (")
    fetching.ids.write_text("\n")
    assert names_the_same(fetching.error(), "ids.txt: holds no usable line; give at least one.")
    fetching.ids.write_text("11\n")
    for name in ("FLICKR_API_SECRET", "FLICKR_API_KEY"):
        monkeypatch.setenv(name, " ")
        assert names_the_same(
            fetching.error(),
            (
                f"{name}: is not set in the environment, or not text as Flickr gives it; get a key and a secret at "
                "https://www.flickr.com/services/apps/create and set both (export FLICKR_API_KEY=...)."
            ),
        )
    monkeypatch.setenv("FLICKR_API_KEY", KEY)
    monkeypatch.setenv("FLICKR_API_SECRET", SECRET)
    monkeypatch.setitem(sys.modules, "love_thy_neighbors.sources.flickr.api", None)
    assert names_the_same(fetching.error(), "source: flickr needs flickrapi; pip install -e '.[flickr]'.")


OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"ids": None}, "ids: give the file with one Flickr id a line (ids=ids.txt)."),
    ({"ids": Path("none.txt")}, "ids: none.txt is not a file; give the file with one Flickr id a line."),
    ({"calls_an_hour": 0}, "calls_an_hour: must be a whole number of 1 or more, not 0."),
    ({"calls_an_hour": 1.5}, "calls_an_hour: must be a whole number of 1 or more, not 1.5."),
]


@pytest.mark.parametrize(("options", "expected"), OPTIONS, ids=[text[:30] for _, text in OPTIONS])
def test_options_are_checked_first(tmp_path: Path, options: dict[str, Any], expected: str) -> None:
    (tmp_path / "ids.txt").write_text("1\n")
    with pytest.raises(UserError) as caught:
        Options(**{"ids": tmp_path / "ids.txt", **options})
    assert names_the_same(str(caught.value), expected)
