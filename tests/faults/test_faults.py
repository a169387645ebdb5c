"""A fault at a random write: finished names are whole or absent, nobody's files change, the same command goes on.

Slow: `make test-slow`. Each program runs 50 times; FAULT_SEED=1 tries other writes. The faults come from
`fault_worker`: ENOSPC, EIO, EACCES, SIGKILL, a limit on the size of files, and where this machine may mount one a small
file system that fills up.
"""

import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from conftest import ROOT, made_up_table, train_on, write_made_up

SEED = int(os.environ.get("FAULT_SEED", "0"))
RUNS = 50
KINDS = ("ENOSPC", "EIO", "EACCES", "SIGKILL", "EFBIG", "FULL")
PAGE = 4096  # a small file system gives space by pages
HERE = Path(__file__).parent
# Nobody's business: the program must neither read nor change them.
FOREIGN = ("notes.txt", "out/notes.txt", "out/.index.html.tmp", "out/mine.partial.txt", "out/.mine.lock")
_BAR = re.compile(r"━|-:--:--|\d:\d\d:\d\d|^\s*$")
# Differ from one run to the next: they hold the time, or where the files are.
_VARYING = re.compile(
    r"hydra/|train\.log$|last\.ckpt$|results\.json$|annotation\.json$|index\.html$|page/data/index\.js$|config\.json$|README\.md$|report\.md$"
)


@dataclass
class Worker:
    """The process of `fault_worker`, and the inputs that all cases read."""

    process: subprocess.Popen[str]
    inputs: Path

    def run(self, program: str, words: list[str], folder: Path, kind: str | None = None, at: int = 0) -> dict[str, Any]:
        """The answer to a case, with what the program has printed on standard error as ``err``."""
        case = {"program": str(ROOT / program), "words": words, "folder": str(folder), "kind": kind, "at": at}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        output = folder.with_name(f"{folder.name}.output")
        self.process.stdin.write(json.dumps(case | {"output": str(output)}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer | {"err": Path(f"{output}.err").read_text()}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    inputs = tmp_path_factory.mktemp("inputs")
    write_made_up(inputs / "collection", *made_up_table(120))
    train_on(inputs / "collection", inputs)
    lines = []
    for number in range(8):
        Image.effect_noise((40, 30), 80).convert("RGB").save(inputs / f"{number}.png")
        lines.append(json.dumps({"id": str(number), "file": f"{number}.png", "labels": ["a"], "tags": ["x"]}))
    (inputs / "photos.jsonl").write_text("\n".join(lines))
    process = subprocess.Popen(
        [sys.executable, str(HERE / "fault_worker.py"), "data=collection", f"data.dir={inputs}/collection"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "COLUMNS": "100"},
    )
    yield Worker(process, inputs)
    process.stdin.close()  # type: ignore[union-attr]
    process.wait(60)


def words_of(program: str, inputs: Path) -> list[str]:
    """A quick command whose files all go below ``out``."""
    collection = ["data=collection", f"data.dir={inputs}/collection"]
    return {
        "prepare.py": [
            *("source=jsonl", f"records={inputs}/photos.jsonl", f"images={inputs}", "out=out/mine"),
            *("workers=0", "batch_size=3", "device=cpu"),
        ],
        "neighbors.py": [*collection, "metadata=tags", "cache=out/cache", "block=24"],
        "train.py": [
            *(*collection, "logs=out/logs", "cache=out/cache", "epochs=2", "h=4", "resume=true"),
            "trainer.enable_progress_bar=false",
        ],
        "report.py": [*collection, f"runs={inputs}/logs", "out=out"],
        "annotate.py": [f"run={next((inputs / 'logs').iterdir())}", "out=out/mine"],
    }[program]


def begun(folder: Path) -> Path:
    """A folder to work in, with foreign files."""
    for name in FOREIGN:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Not yours: {name}")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """The files below a folder, and its folders with '/' at the end and nothing in them."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found |= {f"{name}/": b""} if path.is_dir() else {name: path.read_bytes()}
    return found


def is_whole(path: Path) -> bool:
    """Whether a file that differs from one run to the next can be read to its end."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".ckpt":
            torch.load(path, weights_only=True)
        elif path.suffix == ".html":
            return path.read_text().rstrip().endswith("</html>")
        elif path.suffix == ".csv":
            rows = list(csv.reader(path.open()))
            return len({len(row) for row in rows}) == 1
    except (ValueError, RuntimeError, EOFError):
        return False
    return path.suffix in (".md", ".yaml", ".log") or path.stat().st_size > 0


def differing(found: dict[str, bytes], whole: dict[str, bytes], folder: Path) -> list[str]:
    """Finished files that are neither those of an undisturbed run nor, where these differ anyway, whole."""
    bad = []
    for name in found.keys() & whole.keys():
        if "/hydra/" in name or name.endswith("train.log"):
            continue  # Hydra's own
        varies = _VARYING.search(name) or name.endswith("metrics.csv")  # one line an epoch
        if not (is_whole(folder / name) if varies else found[name] == whole[name]):
            bad.append(name)
    return bad


def wrong_output(program: str, answer: dict[str, Any], kind: str) -> list[str]:
    """What is wrong with how the program ended: a killed one says nothing, a failed one a sentence, another nothing."""
    lines = [line for line in answer["err"].splitlines() if not _BAR.search(line)]
    if kind == "SIGKILL" and answer["status"] == -9:
        return []
    if answer["status"] == 1 and len(lines) == 1 and lines[0].startswith(f"{program}: "):
        return []
    return [] if answer["status"] == 0 else [f"status {answer['status']}: {answer['err'][-3000:]}"]


def unfinished(name: str) -> bool:
    """Whether a file belongs to unfinished work, by its name.

    annotate.py removes that of a finished annotation after it has its name: until then the work could be continued.
    """
    after = r"out/mine/(blocks/.*|(key|progress)\.json|neighbours\.npy|\.love-thy-neighbors-unfinished)"
    return re.search(rf"\.partial/|\.ltn\.|\.blocks/|^{after}$", name) is not None


@contextmanager
def small_disk(folder: Path, size: int | None) -> Iterator[None]:
    """Inside, a file system of ``size`` bytes is at ``folder``; None for no such thing."""
    if size is None:
        yield
        return
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def can_mount(place: Path) -> bool:
    """Whether a test may mount a file system here."""
    try:
        with small_disk(place / "tried", PAGE):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def case_fails(
    worker: Worker, program: str, folder: Path, whole: dict[str, bytes], kind: str, at: int
) -> tuple[int, list[str]]:
    """The status with one fault, and what goes wrong then and with the same command after it."""
    words, foreign = words_of(program, worker.inputs), contents(begun(folder))
    answer = worker.run(program, words, folder, None if kind == "FULL" else kind, at)
    found = contents(folder)
    bad = wrong_output(program, answer, kind)
    bad += [f"{name} changed" for name in foreign if found.get(name) != foreign[name]]
    bad += [f"{name} is not whole" for name in differing(found, whole, folder)]
    bad += [f"{name} is of nobody" for name in found.keys() - whole.keys() if not unfinished(name)]
    if kind == "FULL":
        subprocess.run(["mount", "-o", "remount,size=1g", str(folder)], check=True)
    if (folder / "out" / "mine").exists():  # the fault came after the last file
        words.append("overwrite=true")
    again = worker.run(program, words, folder)
    if again["status"]:
        return answer["status"], [*bad, f"again: {again['err'][-3000:]}"]
    found = contents(folder)
    bad += [f"{name} changed in the end" for name in foreign if found.get(name) != foreign[name]]
    bad += [f"{name} is left" for name in found.keys() - whole.keys()]
    bad += [f"{name} is missing" for name in whole.keys() - found.keys()]
    return answer["status"], bad + [f"{name} differs in the end" for name in differing(found, whole, folder)]


def all_fails(worker: Worker, program: str, place: Path, runs: int, seed: int) -> tuple[int, dict[str, list[str]]]:
    """In how many cases the program ended because of the fault, and what went wrong, by case."""
    undisturbed = worker.run(program, words_of(program, worker.inputs), begun(place / "whole"))
    assert undisturbed["status"] == 0, undisturbed["err"]
    whole, chosen, failed, ended = contents(place / "whole"), random.Random(f"{program} {seed}"), {}, 0
    sizes = [len(content) for name, content in whole.items() if name not in FOREIGN and content]
    assert undisturbed["writes"] > len(sizes)
    mounts = can_mount(place)
    for number in range(runs):
        kind = KINDS[number % len(KINDS)]
        if kind == "FULL" and not mounts:
            kind = "EFBIG"
        largest = {"EFBIG": max(sizes), "FULL": sum(sizes)}.get(kind, undisturbed["writes"])
        at, folder = chosen.randint(1, largest), place / f"case-{number}"
        size = None if kind != "FULL" else PAGE * (3 * len(FOREIGN)) + at
        with small_disk(folder, size):
            status, bad = case_fails(worker, program, folder, whole, kind, at)
        ended += status != 0
        if bad:
            failed[f"{program} {kind} {at}"] = bad
        shutil.rmtree(folder)
    return ended, failed


PROGRAMS = ("prepare.py", "neighbors.py", "train.py", "report.py", "annotate.py")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("program", PROGRAMS)
def test_fifty_faults(worker: Worker, tmp_path: Path, program: str) -> None:
    ended, failed = all_fails(worker, program, tmp_path, RUNS, SEED)
    assert failed == {}
    assert ended > RUNS / 2  # the others met their fault where nothing more was to be written, or not at all
