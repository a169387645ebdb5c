"""The preview inside a RAW picture: a JPEG that the camera has made, found by ExifTool.

RAW files are not decoded: that takes a choice of white balance and contrast which the camera has made already, and
networks were trained on such JPEGs. ExifTool (Debian's libimage-exiftool-perl) knows where each maker puts it.
"""

import base64
import shutil
import subprocess
import threading
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from love_thy_neighbors.plain_json import parse_json

SUFFIXES = frozenset(
    (
        *("3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "iiq", "kdc", "mef", "mos", "mrw", "nef", "nrw"),
        *("orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f"),
    )
)
TAGS = ("JpgFromRaw", "PreviewImage", "OtherImage")  # not ThumbnailImage: it has 160 x 120 pixels
MAX_BYTES = 256 << 20  # of an answer: it has all previews in base64, and those of large cameras have 30 MB
OLDEST = (12, 24)  # before, a crafted picture could run code in ExifTool (CVE-2021-22204)
TIMEOUT = 60  # seconds for one file
_JPEG = b"\xff\xd8\xff"


class Preview(NamedTuple):
    """A JPEG and the RAW picture's orientation (EXIF, 1 to 8), which counts if the JPEG has none of its own."""

    jpeg: bytes
    orientation: int


class NoPreviewError(Exception):
    """Why a RAW picture gives no preview; the message continues the sentence "the image ..."."""


def is_raw(file: Path) -> bool:
    """Whether the name of ``file`` is that of a RAW picture."""
    return file.suffix[1:].lower() in SUFFIXES


def exiftool() -> str | None:
    """The path of the program ExifTool, or None if it is not installed or older than `OLDEST`."""
    program = shutil.which("exiftool")
    return program if program is not None and _is_new_enough(program) else None


@cache
def _is_new_enough(program: str) -> bool:
    try:
        answer = subprocess.run(
            [program, "-config", "", "-ver"], capture_output=True, timeout=TIMEOUT, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return is_safe(answer)


def is_safe(answer: bytes) -> bool:
    """Whether the ``answer`` of ``exiftool -ver`` is `OLDEST` or a later version."""
    try:
        return tuple(int(part) for part in answer.decode("ascii").strip().split(".")[:2]) >= OLDEST
    except ValueError:
        return False


def raw_preview(file: Path) -> Preview:
    """The largest JPEG inside the RAW picture ``file``. The last one is kept, since a file is opened several times.

    Raises `NoPreviewError` if there is none, or no ExifTool, and OSError.
    """
    found = file.stat()
    return _preview(file, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=1)
def _preview(file: Path, size: int, changed: int) -> Preview:
    program = exiftool()
    if program is None:
        raise NoPreviewError("is a RAW picture, which needs exiftool 12.24 or newer (Debian: libimage-exiftool-perl)")
    try:
        found = parse_json(_asked(program, file))[0]
        previews = [_bytes(found[tag]) for tag in TAGS if tag in found]
        orientation = found.get("Orientation", 1)
    except (ValueError, LookupError, TypeError, AttributeError):
        previews, orientation = [], 1
    previews = [preview for preview in previews if preview.startswith(_JPEG)]
    if not previews:
        raise NoPreviewError("is a RAW picture without a preview that exiftool finds")
    return Preview(max(previews, key=len), orientation if orientation in range(1, 9) else 1)


def _bytes(value: str) -> bytes:
    return base64.b64decode(value.removeprefix("base64:"), validate=True)


def _asked(program: str, file: Path) -> bytes:
    """ExifTool's answer for one file, as JSON.

    The file is given as standard input, so that ExifTool never interprets its name, and no configuration is read.
    """
    command = [program, "-config", "", "-json", "-n", "-b", "-Orientation", *(f"-{tag}" for tag in TAGS), "-"]
    with (
        file.open("rb") as content,
        subprocess.Popen(command, stdin=content, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process,
    ):
        assert process.stdout is not None
        late = threading.Timer(TIMEOUT, process.kill)
        late.start()
        try:
            answer = process.stdout.read(MAX_BYTES + 1)
        finally:
            late.cancel()
        if len(answer) > MAX_BYTES:
            process.kill()
            raise NoPreviewError(f"is a RAW picture with previews of over {MAX_BYTES >> 20} MiB")
        if process.wait() < 0:
            raise NoPreviewError(f"is a RAW picture that exiftool could not read within {TIMEOUT} seconds")
    return answer
