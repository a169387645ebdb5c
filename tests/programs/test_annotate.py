"""annotate.py as a person uses it: suggest, decide in a browser, write, read back, undo."""

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hydra import compose, initialize_config_dir

from conftest import ROOT, run_program
from love_thy_neighbors.annotation.files import read_annotation
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.settings import Extraction
from love_thy_neighbors.programs.annotate import annotate, choices_of, print_annotation
from love_thy_neighbors.programs.start import register_resolvers
from love_thy_neighbors.sources import folder as source
from made_up_annotation import write_made_up_annotation

pytestmark = pytest.mark.xdist_group("annotate")  # one process trains the model of these tests
EMBEDDED = ROOT / "data" / "openclipart"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short training on the embedded collection."""
    place = tmp_path_factory.mktemp("runs")
    done = run_program("train.py", "epochs=10", "baseline=null", f"logs={place}", f"cache={place}/cache", cwd=place)
    assert done.returncode == 0, done.stderr
    (folder,) = place.glob("openclipart-*")
    return folder


@pytest.fixture(scope="module")
def annotation(run: Path) -> Path:
    """The run's photos without labels, of which the embedded collection has 64, and doubtful labels."""
    done = run_program("annotate.py", f"run={run}", "precision=0.8", cwd=run)
    assert done.returncode == 0, done.stderr
    assert str(run / "unlabelled") in done.stdout
    return run / "unlabelled"


@pytest.fixture(scope="module")
def decisions(annotation: Path, tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Path:
    """50 decisions made by keyboard, in Chromium: each fifth is a no."""
    page = chromium.new_context(accept_downloads=True).new_page()
    page.goto((annotation / "index.html").as_uri())
    page.wait_for_selector("[aria-selected=true] img, .card img, img")
    for number in range(50):
        page.keyboard.press("n" if number % 5 == 4 else "y")
        page.wait_for_function(f"document.querySelector('#decided').textContent.startsWith('{number + 1} decided')")
    with page.expect_download() as download:
        page.click("#export")
    path = tmp_path_factory.mktemp("downloads") / "decisions.csv"
    download.value.save_as(path)
    return path


@pytest.fixture
def photos(annotation: Path, tmp_path: Path) -> Path:
    """Copies of the thumbnails, under the names of the drawings."""
    for photo in read_annotation(annotation).photos.to_pylist():
        path = tmp_path / "photos" / photo["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(EMBEDDED / "thumbnails" / f"{photo['row']}.webp", path)
    return tmp_path / "photos"


COUNTS = dict.fromkeys(
    ("suggestions", "photos_with_suggestions", "photos", "doubtful_labels", "photos_without_neighbours"), 1
)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def written_labels(decisions: Path) -> dict[str, set[str]]:
    """The labels of a yes, by file."""
    found: dict[str, set[str]] = {}
    with decisions.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 50
    for row in rows:
        if row["decision"] == "yes":
            found.setdefault(row["file"], set()).add(row["label"])
    return found


def test_decide_write_read_back_undo(annotation: Path, decisions: Path, photos: Path, tmp_path: Path) -> None:
    before, labels = content(photos), written_labels(decisions)
    command = (f"write={annotation}", f"decisions={decisions}", "to=xmp", f"photos={photos}")
    done = run_program("annotate.py", *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert content(photos) == before  # a dry run
    done = run_program("annotate.py", *command, "dry_run=false", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    after = content(photos)
    assert {name: after[name] for name in before} == before  # pictures are never touched
    assert {name.removesuffix(".xmp") for name in after.keys() - before.keys()} == labels.keys()
    table = source.read(source.Options(root=photos), Extraction(), tmp_path / "partial").table
    assert {row["file"]: set(row["tags"]) for row in table.to_pylist() if row["tags"]} == labels
    if shutil.which("exiftool"):
        asked = ["exiftool", "-json", "-r", "-ext", "xmp", "-XMP-dc:Subject", str(photos)]
        read = json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)
        subjects = [one["Subject"] for one in read]
        assert sorted(map(sorted, labels.values())) == sorted(
            sorted(one) if isinstance(one, list) else [str(one)] for one in subjects
        )
    done = run_program("annotate.py", f"undo={annotation}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert content(photos) == before


def test_approved_labels_train_the_next_model(annotation: Path, decisions: Path, tmp_path: Path) -> None:
    out = tmp_path / "next.jsonl"
    command = (f"write={annotation}", f"decisions={decisions}", "to=jsonl", f"out={out}", "dry_run=false")
    done = run_program("annotate.py", *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = {record["id"]: record for record in map(json.loads, out.read_text().splitlines())}
    for row in csv.DictReader(decisions.open(encoding="utf-8-sig", newline="")):
        if row["decision"] != "later":
            assert (row["label"] in records.get(row["id"], {"labels": []})["labels"]) == (row["decision"] == "yes")


def test_a_folder_of_photos_with_the_archive_for_label_studio(run: Path, tmp_path: Path) -> None:
    for row in range(0, 5280, 440):
        (tmp_path / "photos" / str(row % 3)).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(EMBEDDED / "thumbnails" / f"{row}.webp", tmp_path / "photos" / str(row % 3) / f"{row}.webp")
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    command = (f"run={run / 'model'}", "photos=photos", f"archive={EMBEDDED}", "metadata=sets", "out=spring")
    done = run_program("annotate.py", *command, "format=label_studio", "top=2", "workers=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "spring").iterdir()}
    assert {"index.html", "page", "label_studio.json", "suggestions.csv", "scores.npy", "collection"} <= names
    assert not {"blocks", "progress.json"} & names
    table = pq.read_table(tmp_path / "spring" / "suggestions.parquet")
    assert len(set(table["file"].to_pylist())) == 12
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("run=nowhere",), "run: nowhere"),
        (("run=nowhere", "photos=.", "out=x"), "nowhere"),
        (("run=nowhere", "undo=somewhere"), "run"),
        (("write=somewhere",), "decisions"),
        (("run={run}", "decisions=d.csv"), "^decisions"),
        (("write=somewhere", "decisions=d.csv", "archive=data"), "^archive"),
        (("undo=somewhere", "metadata=tags"), "^metadata"),
        (("write=somewhere", "decisions=d.csv"), "somewhere"),
        (("undo=somewhere",), "somewhere"),
        (("run={run}", "photos=."), "out"),
        (("run={run}", "photos=nowhere", "out=x"), "photos: nowhere"),
        (("run={run}", "photos=.", "out=../x"), "photos|root"),
        (("run={run}", "images=5"), "images"),
        (("run={run}", "format=excel"), "format"),
        (("run={run}", "dry_run=perhaps"), "dry_run"),
        (("run={run}", "precision=90"), "precision"),
    ],
)
def test_a_mistake_is_one_sentence(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    register_resolvers()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("annotate", overrides=[text.format(run=run) for text in arguments])
    with pytest.raises(UserError) as caught:
        annotate(choices_of(config))
    assert re.search(named, str(caught.value))


def test_names_of_labels_are_printed_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = ["[red]", "[/b]", ":smile:", "c", "d"]
    print_annotation(write_made_up_annotation(tmp_path / "[a]", labels=labels, never_suggested=labels, counts=COUNTS))
    printed = capsys.readouterr().out
    assert "[red], [/b], :smile:, c, d." in printed
    assert f"Written to {tmp_path / '[a]'}:" in printed


@pytest.mark.parametrize("arguments", [(), ("run=nowhere", "photos=.", "out=x"), ("no_such_key=1",)])
def test_the_program_ends_with_that_sentence(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run_program("annotate.py", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
