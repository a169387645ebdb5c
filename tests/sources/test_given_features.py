"""given_features.py: the kinds of files that features=FILE may name."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.given_features import is_file_name, open_given

TABLE = np.arange(12, dtype=np.float32).reshape(3, 4)


def error(path: Path) -> str:
    partial = path.parent / "partial"
    with pytest.raises(UserError) as caught:
        open_given(path, partial)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "unsafe" not in message
    assert "allow_pickle" not in message
    return message


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.NPZ", "a", "a.features"])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_table_is_read(name: str, compressed: bool, tmp_path: Path) -> None:
    with (tmp_path / name).open("wb") as file:
        if not name.lower().endswith(".npz"):
            np.save(file, TABLE)
        elif compressed:
            np.savez_compressed(file, TABLE)
        else:
            np.savez(file, features=TABLE)
    np.testing.assert_array_equal(open_given(tmp_path / name, tmp_path / "partial"), TABLE)


def test_an_archive_with_several_arrays_is_refused_with_their_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", features=TABLE, ids=np.arange(3))
    message = error(tmp_path / "a.npz")
    assert "(features, ids)" in message
    assert "numpy.save('a.npy', numpy.load('a.npz')['NAME'])" in message
    assert not (tmp_path / "partial").exists()


# What follows must be in the message, and be right Python: `test_the_conversion_works` runs it.
CONVERSIONS = {
    "a.csv": "numpy.save('a.npy', numpy.loadtxt('a.csv', delimiter=','))",
    "a.pt": "numpy.save('a.npy', torch.load('a.pt', weights_only=True).numpy())",
    "a.mat": "numpy.save('a.npy', scipy.io.loadmat('a.mat')['NAME'])",
    "new.mat": "numpy.save('new.npy', h5py.File('new.mat')['NAME'][()].T)",
    "a.h5": "numpy.save('a.npy', h5py.File('a.h5')['NAME'][()])",
    "a.safetensors": "numpy.save('a.npy', safetensors.numpy.load_file('a.safetensors')['NAME'])",
    "a.parquet": "numpy.save('a.npy', pyarrow.parquet.read_table('a.parquet').to_pandas().to_numpy())",
}


def write(path: Path) -> None:
    """The table as each kind of file; MATLAB's HDF5 files begin with a text of 512 bytes and have the other order."""
    match path.name:
        case "a.csv":
            np.savetxt(path, TABLE, delimiter=",")
        case "a.pt":
            torch.save(torch.from_numpy(TABLE), path)
        case "a.mat":
            pytest.importorskip("scipy.io").savemat(path, {"NAME": TABLE})
        case "a.safetensors":
            pytest.importorskip("safetensors.numpy").save_file({"NAME": TABLE}, path)
        case "a.parquet":
            pytest.importorskip("pandas").DataFrame(TABLE, columns=list("abcd")).to_parquet(path)
        case _:
            h5py, matlab = pytest.importorskip("h5py"), path.suffix == ".mat"
            with h5py.File(path, "w", userblock_size=512 if matlab else 0) as file:
                file["NAME"] = TABLE.T if matlab else TABLE


@pytest.mark.parametrize("name", CONVERSIONS)
def test_other_kinds_say_how_to_convert_them(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / name)
    command = CONVERSIONS[name]
    assert command in error(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    modules = "numpy, torch, scipy.io, h5py, safetensors.numpy, pyarrow.parquet"
    exec(f"import {modules}\n{command}")  # the test's own text
    converted = tmp_path / f"{Path(name).stem}.npy"
    np.testing.assert_array_equal(np.load(converted), TABLE)


@pytest.mark.parametrize("name", ["a.pkl", "a.pickle", "a.joblib", "a.docx", "a"])
def test_files_that_nothing_safe_converts(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04N.")
    assert "numpy.save" in error(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text,more\n", b"\x80\x04N.", b"\x93NUMPY\x01\x00"])
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_damaged_files(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    error(tmp_path / name)


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    error(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.write(tmp_path / "a.npy", "../a.npy")
    error(tmp_path / "a.npz")


def test_a_damaged_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", TABLE)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[140] ^= 255  # in the numbers: the checksum is wrong
    (tmp_path / "a.npz").write_bytes(content)
    error(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["resnet50", "timm/vit_small_patch14_dinov2.lvd142m", "open_clip/ViT-B-32/openai"])
def test_backbones_are_no_files(name: str) -> None:
    assert not is_file_name(name)
    assert is_file_name("feats.csv")
    assert is_file_name("some/feats.NPZ")
