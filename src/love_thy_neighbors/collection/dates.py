"""When a photo was taken: the column ``taken`` of a collection."""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHORT = re.compile(r"\d{4}(-\d{2})?", re.ASCII)


def microseconds(taken: str) -> int:
    """The time of an ISO 8601 date in microseconds from 1970; raises `ValueError` for any other text.

    A date may have a time of day and an offset from UTC; without an offset it counts as UTC. A year, or a year and a
    month, stands for its first day.

    >>> microseconds("1970-01-01T00:00:01") - microseconds("1970")
    1000000
    """
    whole = taken + "-01-01"[3 * (len(taken) > 4) :] if _SHORT.fullmatch(taken) else taken
    time = datetime.fromisoformat(whole)
    return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)
