"""The fields of an EXIF block: Windows' own (XP...) and the few old ones."""

from PIL import Image
from PIL.ExifTags import IFD, Base

from love_thy_neighbors.sources.folder.fields import Fields
from love_thy_neighbors.sources.folder.iptc import decoded

_IMAGE_DESCRIPTION, _ARTIST, _MAKE, _MODEL, _SOFTWARE, _LENS = 0x010E, 0x013B, 0x010F, 0x0110, 0x0131, 0xA434
_XP_TITLE, _XP_COMMENT, _XP_AUTHOR, _XP_KEYWORDS, _XP_SUBJECT = 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F
_DATES = (Base.DateTimeOriginal, Base.DateTimeDigitized)  # DateTime is that of the last change


def exif_fields(image: Image.Image) -> Fields:
    """The fields of an opened picture's EXIF; raises what Pillow raises for a damaged block."""
    block = image.info.get("exif")
    exif = image.getexif()
    if block and not exif:  # raises for a damaged block, which Pillow ignores when it opens the picture
        Image.Exif().load(block)
    inner = exif.get_ifd(IFD.Exif)

    def old(tag: int) -> list[str]:
        """A text that Pillow has decoded as Latin-1."""
        value = inner.get(tag) if tag == _LENS else exif.get(tag)
        return [decoded(value.encode("latin-1"))] if isinstance(value, str) else []

    def windows(tag: int) -> list[str]:
        value = exif.get(tag)
        value = bytes(value) if isinstance(value, tuple) else value
        return [value.decode("utf-16-le", "ignore")] if isinstance(value, bytes) else []

    make = "".join(old(_MAKE))
    return Fields(
        # Windows writes semicolons between keywords, so a comma belongs to the keyword.
        keywords=windows(_XP_KEYWORDS),
        titles=windows(_XP_TITLE),
        descriptions=old(_IMAGE_DESCRIPTION) + windows(_XP_SUBJECT) + windows(_XP_COMMENT),
        artists=old(_ARTIST) + windows(_XP_AUTHOR),
        dates=[value for tag in _DATES if isinstance(value := inner.get(tag), str)],
        # Not the maker alone: "Apple" may be in the picture.
        made_with=[*old(_MODEL), *(f"{make} {model}" for model in old(_MODEL)), *old(_LENS), *old(_SOFTWARE)],
    )
