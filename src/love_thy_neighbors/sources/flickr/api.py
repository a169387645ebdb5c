"""Client of Flickr's API: two calls a photo, a limit of calls an hour, and retries where they can help.

The library `flickrapi` signs the calls. `_Transport` replaces its download, which has no limit of size or time and
prints the server's text in errors. Answers are JSON, never XML, and are not trusted: every unexpected one is an error.
"""

import json
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import requests
import urllib3
from flickrapi import FlickrAPI, set_log_level
from flickrapi.auth import OAuthFlickrInterface

from love_thy_neighbors.errors import UserError

HOUR = 3600.0  # seconds
MAX_ANSWER_BYTES = 4_000_000
TRIES, STRANGE_TRIES = 8, 3  # calls before giving up: while the service is down, and with unexpected answers
MAX_WAIT = 300.0  # seconds between two tries
NOT_THERE = ("1", "2")  # photo not found; permission denied
KEY_REFUSED = ("95", "96", "97", "98", "99", "100")
BUSY = ("105", "106")


class VanishedError(Exception):
    """Flickr does not show the photo: it is deleted, private or unknown."""


class StrangeAnswerError(Exception):
    """An unexpected answer; the message completes "the answer ..."."""


class _BusyError(Exception):
    """A failure that may be temporary; the message completes "Flickr ..."."""


class Hourly:
    """At most ``calls`` in any hour. ``past`` are the times of earlier calls, also of other processes, in seconds of
    ``clock``; ``announce`` is called with the seconds of a wait before it begins."""

    def __init__(
        self,
        calls: int,
        past: Iterable[float] = (),
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        announce: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        now = clock()
        self._times = deque(sorted(when for when in past if now - HOUR < when <= now), maxlen=calls)
        self._clock, self._sleep, self._announce = clock, sleep, announce

    def wait(self) -> None:
        """Wait until one more call is allowed, and count it."""
        if len(self._times) == self._times.maxlen:
            rest = min(HOUR, self._times[0] + HOUR - self._clock())
            if rest > 0:
                self._announce(rest)
                self._sleep(rest)
        self._times.append(self._clock())


class Client:
    """Reads photos' metadata from Flickr with the user's ``key`` and ``secret``; ``timeout`` in seconds."""

    def __init__(
        self,
        key: str,
        secret: str,
        hourly: Hourly,
        timeout: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        set_log_level(logging.WARNING)  # it would log each call
        self._api = FlickrAPI(key, secret, format="json", store_token=False, timeout=timeout)
        self._api.flickr_oauth = _Transport(key, secret, self._api.token_cache, default_timeout=timeout)
        self._hourly, self._sleep, self._jitter = hourly, sleep, jitter
        self.calls = 0

    def metadata(self, id_: str) -> dict[str, Any]:
        """``owner`` (nsid or None) and the lists ``tags`` (as Flickr normalises them: "wooyay" for "Woo yay!"),
        ``sets`` and ``groups`` (both by id) of the photo.

        Raises `VanishedError`, `StrangeAnswerError` after several unexpected answers, and `UserError` if Flickr refuses
        the key or stays unavailable.
        """
        return self._ask("getInfo", id_, _info) | self._ask("getAllContexts", id_, _contexts)

    def _ask(self, method: str, id_: str, read: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        busy = strange = 0
        while True:
            self._hourly.wait()
            self.calls += 1
            try:
                return self._answer(method, id_, read)
            except StrangeAnswerError:
                strange += 1
                if strange == STRANGE_TRIES:
                    raise
            except _BusyError as error:
                busy += 1
                if busy == TRIES:
                    raise UserError(
                        f"ids: Flickr {error}, {busy} times; run the same command again later, it continues from here."
                    ) from None
            # Twice as long each time, with a random factor so that several clients do not retry together.
            self._sleep(min(MAX_WAIT, 2.0 ** (busy + strange)) * (0.5 + self._jitter()))

    def _answer(self, method: str, id_: str, read: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        body = self._api.do_flickr_call(f"flickr.photos.{method}", photo_id=id_)
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            raise StrangeAnswerError("is not JSON") from None
        if not isinstance(value, dict) or value.get("stat") not in ("ok", "fail"):
            raise StrangeAnswerError("does not say ok or fail")
        if value["stat"] == "fail":
            raise _error(value.get("code"))
        try:
            found = read(value)
        except (LookupError, TypeError, AttributeError, ValueError):
            raise StrangeAnswerError(f"is not what {method} returns") from None
        if found.pop("id", id_) != id_:
            raise StrangeAnswerError("is about another photo")
        return found


class _Transport(OAuthFlickrInterface):
    """Signed calls with a limit of size and time for the answer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.session = requests.Session()
        self.session.headers["Accept-Encoding"] = "identity"  # no compression: the size of the answer is known

    def do_request(self, url: str, params: Any = None, timeout: float | None = None) -> bytes:
        """The body of an answer with status 200; raises `_BusyError`, `StrangeAnswerError` or `UserError` otherwise."""
        limit = timeout or self.default_timeout
        ends = time.monotonic() + limit
        try:
            answer = self.session.post(
                url, data=params, auth=self.oauth, timeout=limit, stream=True, allow_redirects=False
            )
            with answer:
                _refuse_status(answer.status_code)
                return _body(answer, ends)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise _BusyError(f"does not answer within {limit:g} seconds") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _BusyError(f"cannot be reached, or closes the connection ({type(error).__name__})") from None


def _refuse_status(status: int) -> None:
    if status == 401:
        raise _key_refused("HTTP 401")
    if status in (403, 429) or status >= 500:
        raise _BusyError(f"refuses to answer (HTTP {status})")
    if status != 200:
        raise StrangeAnswerError(f"has HTTP status {status}")


def _body(answer: requests.Response, ends: float) -> bytes:
    body = bytearray()
    # read1 returns what has arrived, so that the time is checked.
    while part := answer.raw.read1(1 << 16, decode_content=False):
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise StrangeAnswerError(f"has more than {MAX_ANSWER_BYTES:,} bytes")
        if time.monotonic() > ends:
            raise requests.Timeout
    return bytes(body)


def _error(code: Any) -> Exception:
    """The exception for an answer with ``"stat": "fail"``; the server's text is not shown."""
    number = str(code)  # some answers have the number as text
    if not number.isdecimal() or len(number) > 8:
        return StrangeAnswerError("is an error without a number")
    if number in NOT_THERE:
        return VanishedError()
    if number in KEY_REFUSED:
        return _key_refused(f"error {number}")
    if number in BUSY:
        return _BusyError(f"is not available at the moment (error {number})")
    return StrangeAnswerError(f"is error {number}")


def _key_refused(how: str) -> UserError:
    return UserError(
        f"FLICKR_API_KEY, FLICKR_API_SECRET: Flickr refuses them ({how}); copy both from "
        "https://www.flickr.com/services/apps/by/me."
    )


def _info(value: dict[str, Any]) -> dict[str, Any]:
    photo = value["photo"]
    return {
        "id": photo["id"],
        "owner": _text(photo["owner"]["nsid"]) or None,
        "tags": _texts(photo["tags"].get("tag", []), "_content"),
    }


def _contexts(value: dict[str, Any]) -> dict[str, Any]:
    return {"sets": _texts(value.get("set", []), "id"), "groups": _texts(value.get("pool", []), "id")}


def _texts(entries: list[dict[str, Any]], key: str) -> list[str]:
    """``key`` of each entry, without repeats and empty texts."""
    if not isinstance(entries, list):
        raise TypeError
    return [text for text in dict.fromkeys(_text(entry[key]) for entry in entries) if text]


def _text(value: str) -> str:
    """The text without needless white space; raises `AttributeError` or `ValueError` if it is none."""
    value.encode("utf-8")  # not half a surrogate pair
    return " ".join(value.split())
