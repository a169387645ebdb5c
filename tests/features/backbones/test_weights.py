"""backbones/weights.py: checkpoints that are damaged, wrapped, unsafe or another network's, and downloads that fail."""

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.features.backbones import weights
from love_thy_neighbors.features.backbones.weights import at_url, given, load_into, on_hub, read_state_dict


def network() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))


STATE = network().state_dict()


class Unsafe:
    """Unpickling this object creates a file."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (self.place,)

    def __init__(self, place: Path) -> None:
        self.place = str(place)


@pytest.mark.parametrize(
    "wrapped",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {"model": {f"module.{key}": value for key, value in STATE.items()}, "optimizer": {"lr": 0.1}},
        {"state_dict": {f"module._orig_mod.{key}": value for key, value in STATE.items()}},
        {key: value.half() if value.is_floating_point() else value for key, value in STATE.items()},
        {key: value for key, value in STATE.items() if "num_batches" not in key},  # as before PyTorch 0.4.1
    ],
    ids=["plain", "state_dict", "model of DDP", "compiled DDP", "half", "old batch norm"],
)
def test_wrappers_of_training_programs_are_removed(wrapped: dict[str, Any], tmp_path: Path) -> None:
    torch.save(wrapped, tmp_path / "a.pth")
    loaded = network()
    torch.nn.init.zeros_(loaded[0].weight)
    load_into(loaded, "net", tmp_path / "a.pth", head="2")
    torch.testing.assert_close(loaded[0].weight, STATE["0.weight"], atol=1e-3, rtol=0)
    assert loaded[0].weight.dtype == torch.float32
    assert isinstance(loaded[2], torch.nn.Identity)


def test_safetensors(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "a.safetensors")
    assert read_state_dict(tmp_path / "a.safetensors").keys() == STATE.keys()


def test_a_classifier_of_other_classes_does_not_matter(tmp_path: Path) -> None:
    torch.save({**STATE, "2.weight": torch.zeros(7, 4), "2.bias": torch.zeros(7)}, tmp_path / "a.pth")
    load_into(network(), "net", tmp_path / "a.pth", head="2")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("unsafe", "Python objects"),
        ("text", "Python objects"),
        ("list", "no state dict"),
        ("empty dict", "no state dict"),
        ("numbers", "no state dict"),
        ("truncated", None),
        ("empty", None),
        ("folder", None),
        ("truncated safetensors", None),
        ("safetensors of nothing", None),
    ],
)
def test_a_file_that_is_no_checkpoint(kind: str, reason: str | None, tmp_path: Path) -> None:
    path = tmp_path / ("a.safetensors" if "safetensors" in kind else "a.pth")
    written = {"unsafe": {"w": Unsafe(tmp_path / "made")}, "list": [STATE], "empty dict": {}, "numbers": {"a": 1}}
    if kind in written:
        torch.save(written[kind], path)
    elif kind == "folder":
        path.mkdir()
    else:
        torch.save(STATE, path) if path.suffix == ".pth" else save_file(STATE, path)
        content = {"text": b"hello", "empty": b"", "safetensors of nothing": b"\xff" * 20}
        path.write_bytes(content.get(kind, path.read_bytes()[:100]))
    with pytest.raises(UserError) as caught:
        read_state_dict(path)
    message = str(caught.value)
    assert message.startswith(f"weights: {path} cannot be read as a checkpoint (")
    assert (reason or "") in message
    assert "\n" not in message
    assert "weights_only" not in message
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"0.weight": None}, "it lacks 0.weight"),
        ({"0.weight": None, "0.bias": None, "1.bias": None}, "it lacks 0.weight"),
        ({"3.weight": torch.zeros(1)}, "it has the unknown 3.weight"),
        ({"0.weight": torch.zeros(1, 1)}, "0.weight has another shape"),
        ({"0.weight": torch.zeros(1, 1), "0.bias": torch.zeros(9)}, "0.weight has another shape"),
        ({"0.bias": None, "x.y": torch.zeros(1)}, "it lacks 0.bias, it has the unknown x.y"),
    ],
)
def test_a_checkpoint_of_another_network(
    changes: dict[str, torch.Tensor | None], difference: str, tmp_path: Path
) -> None:
    changed = {key: value for key, value in (STATE | changes).items() if value is not None}
    torch.save(changed, tmp_path / "a.pth")
    with pytest.raises(UserError) as caught:
        load_into(network(), "net", tmp_path / "a.pth", head="2")
    assert str(caught.value).startswith(f"weights: {tmp_path}/a.pth does not fit net ({difference})")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        given(tmp_path / "a.pth")
    assert str(caught.value).startswith(f"weights: {tmp_path}/a.pth is not a file")


CONTENT = b"the weights"
HASH = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "c" * 40


class Answers(BaseHTTPRequestHandler):
    """A download server, and enough of a Hugging Face Hub, where only ``second.bin`` exists."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        missing = "absent" in self.path or "first" in self.path
        self.send_response(404 if missing else 200)
        if missing and "resolve" in self.path:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", '"abc"')
        self.send_header("Content-Length", "0" if missing else str(len(CONTENT)))
        self.end_headers()
        if body and not missing:
            self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import huggingface_hub.constants
    import huggingface_hub.file_download

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as answering:
        threading.Thread(target=answering.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{answering.server_port}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
        monkeypatch.setattr(
            huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        yield url
        answering.shutdown()


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_download_is_cached(server: str, tmp_path: Path) -> None:
    url = f"{server}/net-{HASH[:8]}.pth"
    first = at_url("net", url)
    assert first.path == tmp_path / "torch" / "hub" / "checkpoints" / f"net-{HASH[:8]}.pth"
    assert (first.sha256, first.origin) == (HASH, url)
    assert at_url("net", f"http://127.0.0.1:{closed_port()}/net-{HASH[:8]}.pth").path == first.path
    assert [path.name for path in first.path.parent.iterdir()] == [first.path.name]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("absent-00000000.pth", "HTTP Error 404: Not Found"),
        ("net-00000000.pth", f'invalid hash value (expected "00000000", got "{HASH}")'),
        ("closed", "<urlopen error [Errno 111] Connection refused>"),
    ],
)
def test_a_failed_download_names_the_url_and_the_path(server: str, tmp_path: Path, place: str, reason: str) -> None:
    url = f"http://127.0.0.1:{closed_port()}/net-00000000.pth" if place == "closed" else f"{server}/{place}"
    path = tmp_path / "torch" / "hub" / "checkpoints" / url.rpartition("/")[2]
    before = socket.getdefaulttimeout()
    with pytest.raises(UserError) as caught:
        at_url("net", url)
    for part in ("backbone: the weights of net", f"({reason})", f" {url} ", f" {path}", "weights=FILE"):
        assert part in str(caught.value)
    assert not list(path.parent.iterdir())
    assert socket.getdefaulttimeout() == before


def test_a_silent_server_gives_a_timeout(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UserError, match=r"cannot be downloaded \(.*timed out.*\)"):
            at_url("net", f"http://{address}/net.pth")


def test_a_damaged_file_in_the_cache(server: str, tmp_path: Path) -> None:
    path = tmp_path / "torch" / "hub" / "checkpoints" / f"net-{HASH[:8]}.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:5])
    with pytest.raises(UserError) as caught:
        at_url("net", f"{server}/net-{HASH[:8]}.pth")
    assert str(caught.value).startswith(f"weights: {path} is damaged")
    assert f"{server}/net-{HASH[:8]}.pth" in str(caught.value)


def test_the_hub_gives_the_first_file_that_it_has(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = on_hub("net", "some/net", ("first.safetensors", "second.bin"))
    assert found.sha256 == HASH
    assert found.origin == f"{server}/some/net/resolve/main/second.bin"
    assert found.path.is_relative_to(tmp_path / "hub")
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", None)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", None)  # no second request
    assert on_hub("net", "some/net", ("first.safetensors", "second.bin")).path == found.path


@pytest.mark.parametrize("trouble", ["closed", "absent"])
def test_a_failed_hub_download_names_the_url(server: str, trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    template = server + "/{repo_id}/resolve/{revision}/{filename}"
    if trouble == "closed":
        template = f"http://127.0.0.1:{closed_port()}/" + "{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    url = template.format(repo_id="some/net", revision="main", filename="first.bin")
    reason = "[Errno 111] Connection refused" if trouble == "closed" else "some/net has no such file"
    with pytest.raises(UserError) as caught:
        on_hub("net", "some/net", ("first.bin",))
    for part in ("backbone: the weights of net", f"({reason})", f" {url} ", "weights=FILE"):
        assert part in str(caught.value)
