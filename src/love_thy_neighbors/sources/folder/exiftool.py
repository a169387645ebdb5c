"""Metadata that our own reader cannot read, from ExifTool, if it is installed.

It is asked only for pictures with a damaged or very large block, and for formats that Pillow does not open: it is
several times slower than our reader, and a collection should not depend on which programs are installed.

One process reads all pictures (``-stay_open``). ``-config ""`` keeps it from running a configuration file, which is
Perl code. Before 12.24 a picture could run code in ExifTool (CVE-2021-22204); such a version is not used.
"""

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import Any, Self

from love_thy_neighbors.features.raw_previews import is_safe
from love_thy_neighbors.plain_json import parse_json
from love_thy_neighbors.sources.folder.fields import Fields
from love_thy_neighbors.sources.folder.iptc import decoded
from love_thy_neighbors.sources.folder.xmp import acdsee_paths
from love_thy_neighbors.visible import say

SECONDS = 30  # for one picture
MOST_FAILURES = 3  # pictures without an answer
_MOST_BYTES = 16 << 20  # of an answer
_READY = b"{ready}"
# The tags of each block, by name of the field; names of ExifTool's families 0 and 1.
_XMP = {
    "keywords": ("XMP-dc:Subject", "XMP-acdsee:Keywords"),
    "paths": ("XMP-lr:HierarchicalSubject", "XMP-mediapro:CatalogSets"),
    "slashed": ("XMP-digiKam:TagsList", "XMP-microsoft:LastKeywordXMP", "XMP-microsoft:LastKeywordIPTC"),
    "categories": ("XMP-acdsee:Categories",),
    "titles": ("XMP-dc:Title",),
    "descriptions": ("XMP-dc:Description",),
    "artists": ("XMP-dc:Creator",),
    "dates": ("XMP-exif:DateTimeOriginal", "XMP-photoshop:DateCreated"),
    "made_with": ("XMP-tiff:Model", "XMP-aux:Lens", "XMP-exifEX:LensModel", "XMP-xmp:CreatorTool"),
}
_IPTC = {
    "keywords": ("IPTC:Keywords",),
    "titles": ("IPTC:ObjectName",),
    "descriptions": ("IPTC:Caption-Abstract",),
    "artists": ("IPTC:By-line",),
}
_EXIF = {
    "keywords": ("IFD0:XPKeywords",),
    "titles": ("IFD0:XPTitle",),
    "descriptions": ("IFD0:ImageDescription", "IFD0:XPSubject", "IFD0:XPComment"),
    "artists": ("IFD0:Artist", "IFD0:XPAuthor"),
    "dates": ("ExifIFD:DateTimeOriginal", "ExifIFD:CreateDate"),
    "made_with": ("IFD0:Model", "ExifIFD:LensModel", "IFD0:Software"),
}
_BLOCKS: Mapping[str, Mapping[str, tuple[str, ...]]] = {"xmp": _XMP, "iptc": _IPTC, "exif": _EXIF}
_CHARSET = "IPTC:CodedCharacterSet"
_ASKED = [tag for block in _BLOCKS.values() for tags in block.values() for tag in tags] + [_CHARSET]


class ExifTool:
    """The process, started when the first picture is asked for; use it in a ``with`` statement.

    ``charset`` is that of IPTC texts that declare none. Without the program, `read` finds nothing.
    """

    def __init__(self, wanted: bool = True, charset: str | None = None) -> None:
        self.program = shutil.which("exiftool") if wanted else None
        self._charset = charset
        self._process: subprocess.Popen[bytes] | None = None
        self._failed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def read(self, path: Path) -> dict[str, Fields]:
        """The blocks ("xmp", "iptc", "exif") of the picture in ``path`` in which ExifTool finds something."""
        if self.program is None or (self._process is None and not self._start()):
            return {}
        options = ["-j", "-G1", "-a", "-m", "-charset", "iptc=Latin"]
        answer = self._ask([*options, *(f"-{tag}" for tag in _ASKED), _as_argument(path)])
        try:
            return _fields(parse_json(answer)[0], self._charset)
        except (ValueError, LookupError, TypeError, AttributeError):  # an error message, or the process was stopped
            return {}

    def _start(self) -> bool:
        assert self.program is not None
        command = [self.program, "-config", "", "-stay_open", "True", "-@", "-"]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError:
            self.program = None
            return False
        answer = self._ask(["-ver"])
        if is_safe(answer):
            return True
        version = answer.decode("ascii", "replace").strip()
        say(f"ExifTool {version or '(no version)'} is not used: 12.24 or newer is needed.", stderr=True)
        self._stop()
        self.program = None
        return False

    def _ask(self, arguments: Iterable[str]) -> bytes:
        """The answer to one command; empty if there is none in time, and then the process is stopped."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        lines, size, is_whole = [], 0, False
        timer = Timer(SECONDS, process.kill)
        timer.start()
        try:
            process.stdin.write("\n".join([*arguments, "-execute\n"]).encode("utf-8", "surrogateescape"))
            process.stdin.flush()
            while (line := process.stdout.readline(_MOST_BYTES)) and size < _MOST_BYTES:
                if is_whole := line.startswith(_READY):
                    break
                lines.append(line)
                size += len(line)
        except OSError:  # the process has ended
            pass
        finally:
            timer.cancel()
        if not is_whole:
            self._stop()
            self._failed += 1
            if self._failed == MOST_FAILURES:  # each may have taken `SECONDS`
                say(f"ExifTool gave no answer for {MOST_FAILURES} pictures, and is not asked again.", stderr=True)
                self.program = None
            return b""
        return b"".join(lines)

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()  # it only reads
            self._process.communicate()
            self._process = None


def _as_argument(path: Path) -> str:
    """The path as a C string, in which a line end does not begin another argument."""
    text = str(path.absolute())
    for sign, escape in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(sign, escape)
    return f"#[CSTR]{text}"


def _fields(found: Mapping[str, Any], charset: str | None) -> dict[str, Fields]:
    """The blocks that ExifTool has found something in."""
    blocks = {}
    is_declared = _CHARSET in found
    for name, fields in _BLOCKS.items():
        texts = {field: [text for tag in tags for text in _texts(found.get(tag))] for field, tags in fields.items()}
        if name == "iptc" and not is_declared:
            texts = {field: [decoded(_latin(text), charset) for text in values] for field, values in texts.items()}
        slashed = [text.replace("/", "|") for text in texts.pop("slashed", ())]
        texts["paths"] = [*texts.get("paths", ()), *slashed, *acdsee_paths(texts.pop("categories", ()))[0]]
        if name != "exif":
            texts["artists"] = ["; ".join(texts["artists"])]
        if any(any(values) for values in texts.values()):
            blocks[name] = _as_fields(texts)
    return blocks


def _as_fields(texts: Mapping[str, list[str]]) -> Fields:
    found = Fields()
    for name, values in texts.items():
        getattr(found, name).extend(values)
    return found


def _texts(value: Any) -> list[str]:
    """A tag's value as texts: ExifTool writes keywords such as 2019 as numbers."""
    if value is None:
        return []
    return [text for one in value for text in _texts(one)] if isinstance(value, list) else [str(value)]


def _latin(text: str) -> bytes:
    """The bytes of a text that ExifTool has read in Windows' western code page."""
    return b"".join(sign.encode("cp1252" if sign > "\xff" else "latin-1", "replace") for sign in text)
