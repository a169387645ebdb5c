"""Finds the weights of a backbone (a file, a library's cache or the internet) and reads them without pickle."""

import http.client
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch

from love_thy_neighbors.collection.card import sha256
from love_thy_neighbors.disk import pass_on_refusal
from love_thy_neighbors.errors import UserError

_TIMEOUT = 20  # seconds without an answer after which a download fails


@dataclass(frozen=True)
class Weights:
    """A file of weights, the hash of its content, and its origin for the card."""

    path: Path
    sha256: str
    origin: str


def given(path: Path) -> Weights:
    """The user's own file; raises `UserError` if it is not a file."""
    if not path.is_file():
        raise UserError(f"weights: {path} is not a file; give a checkpoint (.pth, .pt or .safetensors).")
    return Weights(path, sha256(path), f"file {path.name}")


def at_url(name: str, url: str) -> Weights:
    """The file at ``url``, from torch's hub cache or downloaded into it.

    Raises `UserError` if the download fails, or if the content does not match the hash at the end of the file name.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    prefix = re.search(r"-([0-9a-f]{8,})\.", path.name)
    if not path.is_file():
        _download(name, url, path, prefix[1] if prefix else None)
    digest = sha256(path)
    if prefix and not digest.startswith(prefix[1]):
        raise UserError(
            f"weights: {path} is damaged (its hash is not the one in its name); delete it, so that it is "
            f"downloaded again, or put {url} there."
        )
    return Weights(path, digest, url)


def _download(name: str, url: str, path: Path, prefix: str | None) -> None:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)  # torch's download has no timeout and would hang
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), prefix)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        pass_on_refusal(path, error)
        raise _cannot_fetch(name, error, f"{url} and put it at {path}, or give the file as weights=FILE") from None
    finally:
        socket.setdefaulttimeout(before)


def on_hub(name: str, repository: str, files: Sequence[str]) -> Weights:
    """The first of ``files`` that a Hugging Face repository has, from the library's cache or downloaded into it.

    Raises `UserError` if the download fails.
    """
    import huggingface_hub as hub

    for file in files:
        cached = hub.try_to_load_from_cache(repository, file)
        if isinstance(cached, str):
            return Weights(Path(cached), sha256(Path(cached)), hub.hf_hub_url(repository, file))
    url = hub.hf_hub_url(repository, files[0])
    for file in files:
        url = hub.hf_hub_url(repository, file)
        try:
            # Fails at once without a network, where hf_hub_download would retry for minutes.
            hub.get_hf_file_metadata(url, timeout=_TIMEOUT)
            path = Path(hub.hf_hub_download(repository, file))
        except hub.errors.RemoteEntryNotFoundError:
            continue
        except Exception as error:  # huggingface_hub, httpx and the system raise many kinds
            raise _cannot_fetch(name, error, f"{url} and give the file as weights=FILE") from None
        return Weights(path, sha256(path), url)
    raise _cannot_fetch(name, f"{repository} has no such file", f"{url} and give the file as weights=FILE")


def _cannot_fetch(name: str, why: object, cure: str) -> UserError:
    return UserError(f"backbone: the weights of {name} cannot be downloaded ({_first_sentence(why)}); fetch {cure}.")


def _first_sentence(error: object) -> str:
    text = re.split(r"\.\s|\n", str(error).strip())[0].rstrip(".")
    return text or type(error).__name__


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint by name, on the CPU, without the wrappers and prefixes of training programs.

    No code of the file is executed. Raises `UserError` if it is damaged or contains anything but tensors.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            path.open("rb").close()  # safetensors says that a file is missing if it may not be read
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, zipfile, pickle and safetensors raise many kinds
        pass_on_refusal(path, error)
        # Other messages are a bare number, or recommend weights_only=False, which is not safe.
        helpful = isinstance(error, OSError | RuntimeError) or path.suffix == ".safetensors"
        objects = "it contains Python objects, which are not loaded, or is no checkpoint"
        raise _unreadable(path, _first_sentence(error) if helpful else objects) from None
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(isinstance(key, str) for key in content):
        raise _unreadable(path, "it contains no state dict")
    if not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise _unreadable(path, "it contains no state dict")
    for prefix in ("module.", "_orig_mod."):  # added by DistributedDataParallel and torch.compile
        if all(key.startswith(prefix) for key in content):
            content = {key.removeprefix(prefix): value for key, value in content.items()}
    return dict(content)


def _unreadable(path: Path, why: str) -> UserError:
    return UserError(
        f"weights: {path} cannot be read as a checkpoint ({why}); give a state dict saved with torch.save, or a "
        ".safetensors file."
    )


@contextmanager
def fitting(name: str, path: Path) -> Iterator[None]:
    """Turn the errors of loading weights that do not fit into a `UserError`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # from load_state_dict, or from a library's renaming of keys before it
        raise UserError(
            f"weights: {path} does not fit {name} ({_differences(error)}); give a checkpoint of {name}."
        ) from None


def _differences(error: Exception) -> str:
    """The first missing, unknown and misshaped key in the error of `load_state_dict`."""
    kinds = {
        r'Missing key\(s\) in state_dict: "([^"]*)"': "it lacks {}",
        r'Unexpected key\(s\) in state_dict: "([^"]*)"': "it has the unknown {}",
        r"size mismatch for (\S+):": "{} has another shape",
    }
    found = [what.format(key[1]) for pattern, what in kinds.items() if (key := re.search(pattern, str(error)))]
    return ", ".join(found) or f"{type(error).__name__}: {_first_sentence(error)}"


def load_into(network: torch.nn.Module, name: str, path: Path, head: str) -> None:
    """Load a checkpoint into ``network`` and replace its classifier ``head`` by the identity.

    The classifier's weights are ignored. Raises `UserError` if other weights are missing, unknown or of another shape.
    """
    state = {key: value for key, value in read_state_dict(path).items() if not key.startswith(f"{head}.")}
    network.set_submodule(head, torch.nn.Identity())
    with fitting(name, path):
        network.load_state_dict(state)
