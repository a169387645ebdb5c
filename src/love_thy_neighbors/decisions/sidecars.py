"""The sidecar of a picture: where it is, whether it may be changed, and how it is replaced.

    naming=append    p.jpg -> p.jpg.xmp    darktable, digiKam; each picture has its own
    naming=replace   p.jpg -> p.xmp        Lightroom, Bridge, Capture One; p.jpg and p.cr2 of one exposure share it

With naming=replace, a raw file of the same name is taken as the same exposure, so a label is right for both. If another
picture has the same name (p.png, p.heic), the two may show different things: such a picture is refused.
"""

import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from love_thy_neighbors.atomic import written_whole
from love_thy_neighbors.decisions.refusals import SidecarError
from love_thy_neighbors.errors import UserError

NAMINGS = ("append", "replace")
MAX_BYTES = 16 << 20
_WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
# Files that hold developed pictures; all other suffixes, such as those of raw files, describe the same exposure.
_PICTURES = frozenset(
    (
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "heic", "heif", "avif", "jxl"),
        *("jp2", "psd", "psb", "xcf"),
    )
)


@dataclass
class Sidecars:
    """The sidecars of the pictures below ``root``. The names in a folder are read once.

    others: how many pictures that were asked for have no sidecar of this naming, but one of the naming 'replace'.
    """

    root: Path
    naming: str = "append"
    others: int = 0
    _names: dict[Path, dict[str, list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.naming not in NAMINGS:
            raise UserError(f"naming: '{self.naming}' is not known; use {' or '.join(NAMINGS)}.")
        if not self.root.is_dir():
            raise UserError(f"photos: {self.root} is not a folder; give the folder that the photos are in.")

    def of(self, file: str) -> str:
        """The path of the picture's sidecar below ``root``, whether it exists or not; raises `SidecarError`."""
        picture = self.root / checked_path(file)
        _require_inside(self.root, picture, "the picture")
        if not picture.is_file():
            raise SidecarError("the picture is missing")
        path = PurePosixPath(file)
        if self.naming == "replace":
            self._refuse_shared(picture)
        stem = path.name if self.naming == "append" else path.stem
        names = [f"{stem}{suffix}" for suffix in (".xmp", ".XMP")]
        there = next((name for name in names if os.path.lexists(picture.with_name(name))), None)
        self.others += there is None and any(picture.with_suffix(suffix).exists() for suffix in (".xmp", ".XMP"))
        return str(path.with_name(there or names[0]))

    def _refuse_shared(self, picture: Path) -> None:
        folder = picture.parent
        if folder not in self._names:
            self._names[folder] = {}
            for entry in folder.iterdir():
                self._names[folder].setdefault(entry.stem.casefold(), []).append(entry.name)
        for name in self._names[folder].get(picture.stem.casefold(), []):
            if name != picture.name and Path(name).suffix[1:].casefold() in _PICTURES:
                raise SidecarError(f"{picture.stem}.xmp would belong to {name} as well; use naming=append")


def checked_path(file: str) -> PurePosixPath:
    """``file`` as a path that does not leave the photos' folder by itself; raises `SidecarError`."""
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or "\\" in file or "\0" in file or not path.name:
        raise SidecarError("the file is not a plain path below the photos' folder")
    return path


def _require_inside(root: Path, path: Path, what: str) -> Path:
    """``path`` without links; raises `SidecarError` if it is not below ``root``."""
    try:
        target = path.resolve()
    except (OSError, RuntimeError) as error:
        raise SidecarError(f"{what} cannot be found ({error})") from None
    if not target.is_relative_to(root.resolve()):
        raise SidecarError(f"{what} is a link that leads out of the photos' folder")
    return target


def target_of(root: Path, sidecar: str) -> Path:
    """The file of ``sidecar``, a path below ``root``; the end of a link, if it is one.

    Raises `SidecarError` if its folder is missing or a link leads out of ``root``.
    """
    path = root / checked_path(sidecar)
    folder = _require_inside(root, path.parent, "its folder")
    if path.is_symlink():
        path = _require_inside(root, path, "the sidecar")
        folder = path.parent
        if not path.is_file():
            raise SidecarError("the sidecar is a link to nothing")
    if not folder.is_dir():
        raise SidecarError("its folder is missing")
    if path.exists() and not path.is_file():
        raise SidecarError("the sidecar is not a file")
    return path


def require_writable(path: Path) -> None:
    """Raise `SidecarError` if a sidecar or its folder is read-only."""
    for place, what in ((path, "the sidecar"), (path.parent, "its folder")):
        # The bits are asked for, too: the administrator may write what is marked as read-only.
        if place.exists() and not (place.stat().st_mode & _WRITE_BITS and os.access(place, os.W_OK)):
            raise SidecarError(f"{what} is read-only")


def content_of(path: Path) -> bytes | None:
    """The bytes of a sidecar, None if there is none; raises `SidecarError` if it is too large or not readable."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SidecarError(f"the sidecar has over {MAX_BYTES >> 20} MB")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SidecarError(f"the sidecar cannot be read ({error.strerror})") from None


def hash_of(content: bytes | None) -> str | None:
    """SHA-256 in hexadecimal; None for no file."""
    return None if content is None else hashlib.sha256(content).hexdigest()


def replace_content(path: Path, content: bytes | None) -> None:
    """Write ``content`` to ``path`` in one step, with the old file's permissions and owner; None deletes the file."""
    try:
        if content is None:
            path.unlink()
            return
        old = path.stat() if path.exists() else None
        with written_whole(path) as temporary:
            temporary.write_bytes(content)
            if old is not None and (old.st_uid, old.st_gid) != (temporary.stat().st_uid, temporary.stat().st_gid):
                with suppress(PermissionError):  # only the administrator may give files to others
                    os.chown(temporary, old.st_uid, old.st_gid)
    except OSError as error:
        raise SidecarError(f"the sidecar cannot be written ({error.strerror})") from None
