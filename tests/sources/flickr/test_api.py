"""sources/flickr_api: a server on localhost answers like Flickr, fails like it, and counts what it is asked."""

from collections.abc import Iterator
from typing import Any

import flickrapi
import pytest

from fixtures.flickr_server import KEY, SECRET, Clock, FlickrServer, client, failure, serve
from fixtures.messages import names_the_same
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.sources.flickr import api as flickr_api
from love_thy_neighbors.sources.flickr.api import Client, Hourly

INFO, CONTEXTS = "flickr.photos.getInfo", "flickr.photos.getAllContexts"
AGAIN = "what was fetched is kept, run the same command again later."


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FlickrServer]:
    with serve(monkeypatch) as flickr:
        yield flickr


FOUND = {"owner": "9@N00", "tags": ["goldengate", "sea"], "sets": ["721"], "groups": ["5@N00", "6@N00"]}


def test_two_signed_calls_read_a_photo(server: FlickrServer) -> None:
    clock = Clock()
    asked = client(clock)
    assert asked.metadata("11") == FOUND
    assert asked.metadata("22") == {"owner": "1@N00", "tags": [], "sets": [], "groups": []}
    assert server.calls == [(INFO, "11"), (CONTEXTS, "11"), (INFO, "22"), (CONTEXTS, "22")]
    assert clock.slept == []


PASSING: list[tuple[str, list[Any], list[float]]] = [
    ("105", [failure(105)], [2]),
    ("106 as text", [failure("106")], [2]),
    ("rate limit", [429, 429], [2, 4]),
    ("server errors", [500, 502, 503], [2, 4, 8]),
    ("403 of a cache in between", [403], [2]),
    ("closed without an answer", ["reset"], [2]),
    ("closed in the middle of an answer", ["hang up"], [2]),
    ("in the second call", ["proper", 500, "hang up"], [2, 4]),
    ("seven times", [500] * 7, [2, 4, 8, 16, 32, 64, 128]),
    ("no JSON, then JSON", [b"<html>"], [2]),
    ("a redirect, which is not followed", [302], [2]),
    ("not found is HTTP", [404], [2]),
    ("an unknown error", [failure(999)], [2]),
    ("one after the other", [500, b"?", "reset", b"?", 429], [2, 4, 8, 16, 32]),
]


@pytest.mark.parametrize(("plan", "waits"), [case[1:] for case in PASSING], ids=[case[0] for case in PASSING])
def test_failures_that_pass_are_waited_for(server: FlickrServer, plan: list[Any], waits: list[float]) -> None:
    clock = Clock()
    server.plan[:] = plan
    asked = client(clock)
    assert asked.metadata("11") == FOUND
    assert clock.slept == waits
    assert asked.calls == len(server.calls) == len(waits) + 2


@pytest.mark.parametrize("way", ["hang", "drip"])
def test_an_answer_has_a_limit_of_time(server: FlickrServer, way: str) -> None:
    clock = Clock()
    server.plan[:] = [way, "proper"]
    assert client(clock, timeout=0.2).metadata("11") == FOUND
    assert clock.slept == [2]


def test_waits_grow_to_a_limit_and_are_never_the_same_for_two(server: FlickrServer) -> None:
    server.plan[:] = [500] * 7
    clock, shares = Clock(), iter([0.0, 0.25, 0.999, 0.5, 0.5, 0.5, 0.5])
    Client(KEY, SECRET, Hourly(9999), sleep=clock.sleep, jitter=lambda: next(shares)).metadata("11")
    assert clock.slept[:3] == [1, 3, pytest.approx(12, rel=0.01)]
    assert max(clock.slept) <= flickr_api.MAX_WAIT


STOPS: list[tuple[str, list[Any], str, int]] = [
    ("key not valid", [failure(100)], "FLICKR_API_KEY, FLICKR_API_SECRET: Flickr refuses them (error 100); copy both from https://www.flickr.com/services/apps/by/me.", 1),
    ("signature not valid", [failure(96)], "FLICKR_API_KEY, FLICKR_API_SECRET: Flickr refuses them (error 96); copy both from https://www.flickr.com/services/apps/by/me.", 1),
    ("not signed", [401], "FLICKR_API_KEY, FLICKR_API_SECRET: Flickr refuses them (HTTP 401); copy both from https://www.flickr.com/services/apps/by/me.", 1),
    ("service down", [failure(105)] * 9, f"ids: Flickr is not available at the moment (error 105), 8 times; {AGAIN}", 8),
    ("too many requests", [429] * 9, f"ids: Flickr refuses to answer (HTTP 429), 8 times; {AGAIN}", 8),
    ("hangs up", ["reset"] * 9, f"ids: Flickr cannot be reached, or hangs up (ConnectionError), 8 times; {AGAIN}", 8),
    ("hangs up in an answer", ["hang up"] * 9, f"ids: Flickr cannot be reached, or hangs up (ProtocolError), 8 times; {AGAIN}", 8),
    ("hangs", ["hang"] * 9, f"ids: Flickr does not answer within 0.05 seconds, 8 times; {AGAIN}", 8),
]  # fmt: skip


@pytest.mark.parametrize(("plan", "message", "calls"), [case[1:] for case in STOPS], ids=[case[0] for case in STOPS])
def test_what_ends_it(server: FlickrServer, plan: list[Any], message: str, calls: int) -> None:
    server.plan[:] = plan
    with pytest.raises(UserError) as caught:
        client(Clock(), timeout=0.05 if plan[0] == "hang" else 5).metadata("11")
    assert names_the_same(str(caught.value), message)
    assert len(server.calls) == calls


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flickrapi.FlickrAPI, "REST_URL", "http://127.0.0.1:9/")
    with pytest.raises(UserError, match=r"ConnectionError.* 8 times"):
        client(Clock()).metadata("11")


def info(**photo: Any) -> dict[str, Any]:
    return {"stat": "ok", "photo": {"id": "11", "owner": {"nsid": "1@N"}, "tags": {"tag": []}, **photo}}


STRANGE: list[tuple[Any, str]] = [
    (b"", "is not JSON"),
    (b"<rsp stat='ok'/>", "is not JSON"),
    (b'{"photo": ', "is not JSON"),
    (b"\xff\xfe\xff", "is not JSON"),
    (b"[" * 100_000, "is not JSON"),
    (b'{"stat": ' + b"9" * 5000 + b"}", "is not JSON"),
    (b" " * 5_000_000, "has more than 4,000,000 bytes"),
    ([], "does not say ok or fail"),
    ({}, "does not say ok or fail"),
    ({"stat": ["ok"]}, "does not say ok or fail"),
    (failure(None), "is an error without a number"),
    (failure(True), "is an error without a number"),
    (failure(1e999), "is an error without a number"),
    (failure([1]), "is an error without a number"),
    (failure(7), "is error 7"),
    (404, "has HTTP status 404"),
    (301, "has HTTP status 301"),
    ({"stat": "ok"}, "is not what getInfo returns"),
    ({"stat": "ok", "photo": [1]}, "is not what getInfo returns"),
    (info(id="12"), "is about another photo"),
    (info(id=11), "is about another photo"),
    (info(owner="1@N"), "is not what getInfo returns"),
    (info(owner={}), "is not what getInfo returns"),
    (info(tags=None), "is not what getInfo returns"),
    (info(tags={"tag": {}}), "is not what getInfo returns"),
    (info(tags={"tag": ["a"]}), "is not what getInfo returns"),
    (info(tags={"tag": [{"_content": 5}]}), "is not what getInfo returns"),
    (b'{"stat": "ok", "photo": {"id": "11", "owner": {"nsid": "\\ud800"}}}', "is not what getInfo returns"),
]


@pytest.mark.parametrize(("answer", "reason"), STRANGE, ids=[f"{k}: {reason}" for k, (_, reason) in enumerate(STRANGE)])
def test_an_answer_that_makes_no_sense_is_asked_for_again_and_then_given_up(
    server: FlickrServer, answer: Any, reason: str
) -> None:
    server.plan[:] = [answer] * 3
    with pytest.raises(flickr_api.StrangeAnswerError) as caught:
        client(Clock()).metadata("11")
    assert names_the_same(str(caught.value), reason)
    assert len(server.calls) == 3


CONTEXT_ANSWERS: list[tuple[Any, str | None]] = [
    ({"stat": "ok"}, None),
    ({"stat": "ok", "set": [], "pool": []}, None),
    ({"stat": "ok", "set": [{"id": ""}]}, None),
    ({"stat": "ok", "set": {"id": "1"}}, "is not what getAllContexts returns"),
    ({"stat": "ok", "pool": [None]}, "is not what getAllContexts returns"),
    ({"stat": "ok", "pool": [{"id": 1}]}, "is not what getAllContexts returns"),
]


@pytest.mark.parametrize(("answer", "reason"), CONTEXT_ANSWERS)
def test_answers_about_albums_and_pools(server: FlickrServer, answer: Any, reason: str | None) -> None:
    server.plan[:] = ["proper"] + [answer] * 3
    if reason is None:
        assert client(Clock()).metadata("11") == FOUND | {"sets": [], "groups": []}
    else:
        with pytest.raises(flickr_api.StrangeAnswerError, match=reason):
            client(Clock()).metadata("11")


@pytest.mark.parametrize("plan", [[failure(1)], [failure("1")], [failure(2)], ["proper", failure(1)]])
def test_a_photo_that_is_gone(server: FlickrServer, plan: list[Any]) -> None:
    server.plan[:] = plan
    with pytest.raises(flickr_api.VanishedError):
        client(Clock()).metadata("11")
    assert len(server.calls) == len(plan)


# Times of earlier calls before "now" in seconds, calls allowed, calls made, and what is waited in all.
PACES: list[tuple[list[float], int, int, float]] = [
    ([], 4, 4, 0),
    ([], 4, 5, 3600),
    ([], 4, 8, 3600),
    ([], 4, 9, 7200),
    ([], 1, 3, 7200),
    ([10, 20], 4, 2, 0),
    ([10, 3000], 4, 3, 600),
    ([3601, 4000], 2, 2, 0),
    ([-5, -10], 2, 2, 0),  # in the future: the clock was set back
    ([1, 2, 3, 4, 5, 6], 2, 1, 3598),
]


@pytest.mark.parametrize(("past", "allowed", "made", "waited"), PACES)
def test_never_more_calls_than_allowed_in_an_hour(past: list[float], allowed: int, made: int, waited: float) -> None:
    clock = Clock()
    start, told = clock.now, []  # type: tuple[float, list[float]]
    hourly = Hourly(allowed, [start - ago for ago in past], clock, clock.sleep, told.append)
    for _ in range(made):
        hourly.wait()
    assert clock.now - start == pytest.approx(waited)
    assert told == clock.slept


def test_repeated_calls_count_against_the_hour_too(server: FlickrServer) -> None:
    server.plan[:] = [500, 500]
    clock = Clock()
    client(clock, calls_an_hour=3).metadata("11")
    assert clock.slept == [2, 4, 3600 - 6]


def test_nothing_that_a_server_says_reaches_the_terminal(
    server: FlickrServer, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server.plan[:] = [500, failure(999, "\x1b[31mred"), 404, 429]  # the bodies hold a terminal's escape codes
    client(Clock()).metadata("11")
    assert (caplog.text, *capfd.readouterr()) == ("", "", "")
