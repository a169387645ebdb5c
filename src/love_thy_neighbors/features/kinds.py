"""What a file that no decoder takes is instead of a picture, by its first bytes: so that a message says what to do.

The signatures are those of the formats' own specifications; of HEIF, AVIF and video files, ISO/IEC 14496-12 (``ftyp``).
"""

import re
from collections.abc import Collection
from pathlib import Path

HEIF_HINT = "pip install -e '.[heif]' lets such pictures be read"
_HEAD = 4096  # bytes
_HEIF = re.compile(rb".{4}ftyp(heic|heix|hevc|hevx|heim|heis|mif1|msf1)", re.DOTALL)
_AVIF = re.compile(rb".{4}ftypavi[fs]", re.DOTALL)
# The first match counts. What each kind is, as the end of the sentence "the file is ...".
_KINDS: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), kind)
    for pattern, kind in (
        (rb"\0+\Z", "filled with zero bytes: its content is lost; restore it from a backup"),
        (rb"(\xef\xbb\xbf)?\s*(<!doctype html|<html|<head|<body)", "a web page (HTML) under a picture's name"),
        (rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!doctype svg|<svg)", "a drawing (SVG)"),
        (rb".{4}ftypcrx ", "a RAW picture (CR3) under another name"),
        (rb".{4}ftyp", "a video (MP4 or QuickTime)"),
        (rb"RIFF.{4}AVI ", "a video (AVI)"),
        (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL picture, which is not read; save it as JPEG"),
        (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 picture, which is not read; save it as JPEG"),
        (rb"8BPS", "a Photoshop document (PSD), which is not read; save it as JPEG"),
        (rb"%PDF-", "a PDF document"),
        (rb"%!PS", "a PostScript file"),
        (rb"PK\x03\x04|Rar!|7z\xbc\xaf|\x1f\x8b", "an archive (ZIP or like)"),
        (rb"version https://git-lfs", "a pointer of Git LFS, without the picture; run git lfs pull"),
        (rb"/?[\w./]*annex/objects/", "a pointer of git-annex, without the picture; run git annex get"),
        (rb"\xff\xd8\xff.{0,200}\Z", "the first few bytes of a JPEG; the rest is missing"),
        (rb"[\t\n\r\x20-\x7e]+\Z", "a text file"),
    )
)


def what_it_is(file: Path, read: Collection[str]) -> str | None:
    """What ``file`` is, to end the sentence "the file is ..."; None if that is not known. Raises OSError.

    read: the formats that can be decoded here; a HEIC or AVIF picture that could not be opened all the same is damaged.
    """
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    if not head:
        return "empty (0 bytes)"
    if _HEIF.match(head):
        return "a damaged HEIC picture" if "HEIF" in read else f"a HEIC picture; {HEIF_HINT}"
    if _AVIF.match(head):
        return "a damaged AVIF picture" if "AVIF" in read else "an AVIF picture, which this Pillow cannot read"
    return next((kind for pattern, kind in _KINDS if pattern.match(head)), None)
