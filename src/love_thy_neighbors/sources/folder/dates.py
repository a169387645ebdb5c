"""Dates as cameras and photo programs write them."""

import re
from datetime import datetime

_EXIF = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)", re.ASCII)


def local_time(text: str) -> str:
    """A date of EXIF or XMP as ISO 8601 local time, such as 2019-05-03T14:30:00; '' if it is not a date.

    An offset from UTC is left out: few photos have one, and local times compare better with each other than with UTC.
    Cameras whose clock was never set write 0000:00:00, which is no date.
    """
    iso = _EXIF.sub(r"\1-\2-\3T\4", text)
    try:
        return datetime.fromisoformat(iso).replace(tzinfo=None, microsecond=0).isoformat()
    except ValueError:
        return ""
