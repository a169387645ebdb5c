"""The laws of writing and undoing on the bytes of sidecars: encodings.py, packet.py, merging.py, removing.py."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.sidecars import DC, ENCODINGS, LR, PROGRAMS, RDF
from love_thy_neighbors.decisions.encodings import from_utf8, to_utf8
from love_thy_neighbors.decisions.journal import Change
from love_thy_neighbors.decisions.keywords import Found, Mark, found_in
from love_thy_neighbors.decisions.packet import MAX_ELEMENTS, read_packet
from love_thy_neighbors.decisions.refusals import SidecarError
from love_thy_neighbors.decisions.sidecars import hash_of
from love_thy_neighbors.decisions.splices import Splice, apply, inverse
from love_thy_neighbors.decisions.undo import Undone, undone
from love_thy_neighbors.decisions.xmp_writing import Plan, planned

WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="|"), min_size=1, max_size=8
).filter(lambda text: text.strip() == text)
KEYWORDS = st.lists(WORDS, min_size=1, max_size=3).map("|".join)
PROGRAM = st.sampled_from(sorted(PROGRAMS))
ENCODING = st.sampled_from(sorted(ENCODINGS))
THEIRS = st.tuples(st.lists(WORDS, max_size=3, unique_by=str.casefold), st.lists(KEYWORDS, max_size=3, unique=True))


def marks(keywords: Sequence[str], date: str = "2026-11-27T12:00:00+00:00") -> list[Mark]:
    return [Mark(f"label {keyword}", keyword, "neighborhood", "a run", date) for keyword in keywords]


def sidecar(program: str, encoding: str, theirs: tuple[Sequence[str], Sequence[str]]) -> bytes:
    return ENCODINGS[encoding](PROGRAMS[program](*theirs))


def change_of(before: bytes | None, plan: Plan, number: int = 1) -> Change:
    return Change(
        number, "write", "/", "p.xmp", hash_of(before), hash_of(plan.content), tuple(plan.added), tuple(plan.inverse)
    )


def found(content: bytes | None) -> Found:
    assert content is not None
    return found_in(read_packet(to_utf8(content)[0]))


@settings(deadline=None)  # other work on the machine is no fault
@given(PROGRAM, ENCODING, THEIRS, st.lists(st.lists(KEYWORDS, max_size=4), min_size=1, max_size=3))
def test_written_and_undone_is_what_it_was(
    program: str, encoding: str, theirs: tuple[list[str], list[str]], times: list[list[str]]
) -> None:
    before = content = sidecar(program, encoding, theirs)
    changes = []
    for number, keywords in enumerate(times):
        plan = planned(content, marks(keywords, f"2026-11-2{number}"), [])
        assert plan.content is not None
        if plan.added:
            changes.append(change_of(content, plan, number))
        content = plan.content
    assert undone(content, changes) == Undone(before)


@settings(deadline=None)  # other work on the machine is no fault
@given(PROGRAM, ENCODING, THEIRS, st.lists(KEYWORDS, max_size=4))
def test_all_keywords_are_there_and_a_second_time_adds_nothing(
    program: str, encoding: str, theirs: tuple[list[str], list[str]], keywords: list[str]
) -> None:
    content = sidecar(program, encoding, theirs)
    plan = planned(content, marks(keywords), [])
    after = found(plan.content)
    assert all(
        (after.has(keyword) and after.has_subject(keyword.split("|")[-1])) or Found(*theirs, []).has(keyword)
        for keyword in keywords
    )
    assert Counter(theirs[0]) <= Counter(after.subject)
    assert Counter(theirs[1]) <= Counter(after.hierarchical)
    assert after.marks == [one.mark for one in plan.added]
    again = planned(plan.content, marks(keywords), [])
    assert again.content == plan.content
    assert not again.added


@settings(deadline=None)  # other work on the machine is no fault
@given(PROGRAM, ENCODING, THEIRS, st.lists(KEYWORDS, min_size=1, max_size=3), st.lists(KEYWORDS, max_size=3))
def test_after_an_edit_only_ours_go(
    program: str, encoding: str, theirs: tuple[list[str], list[str]], keywords: list[str], edits: list[str]
) -> None:
    """A person adds keywords in the same lists, one of them equal to ours, and a comment at the end."""
    before = sidecar(program, encoding, theirs)
    plan = planned(before, marks(keywords), [])
    assert plan.content is not None
    text, how = to_utf8(plan.content)
    added = [*edits, *(keyword.split("|")[-1] for keyword in keywords[:1])]
    edited = from_utf8(_with_more(text, added) + b"<!-- edited -->", how)
    result = undone(edited, [change_of(before, plan)] if plan.added else [])
    after = found(result.content)
    assert Counter(after.subject) == Counter([*theirs[0], *added])
    assert Counter(after.hierarchical) == Counter(theirs[1])
    assert not after.marks
    assert result.unsure == ()


@settings(deadline=None)  # other work on the machine is no fault
@given(PROGRAM, ENCODING, THEIRS, st.data())
def test_damaged_sidecars_are_refused_or_written_and_undone(
    program: str, encoding: str, theirs: tuple[list[str], list[str]], data: st.DataObject
) -> None:
    content = bytearray(sidecar(program, encoding, theirs))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 9))] = data.draw(
            st.sampled_from([b"<", b">", b"/>", b"&amp;", b"\0", b'"', b"<!--", b"]]>", b"rdf:", b"<rdf:li>", b""])
        )
    try:
        plan = planned(bytes(content), marks(["sea", "places|beach"]), [])
    except SidecarError:
        return
    changes = [change_of(bytes(content), plan)] if plan.added else []
    assert plan.content is not None
    assert undone(plan.content, changes) == Undone(bytes(content))
    assert found(plan.content).has("places|beach")


def _with_more(text: bytes, keywords: Sequence[str]) -> bytes:
    """``text`` with ``keywords`` in a second list of dc:subject, as a person's program adds them."""
    rdf = read_packet(text).rdf
    inner = "".join(f"<r:li>{escape(word)}</r:li>" for word in keywords)
    new = (
        f'<r:Description xmlns:r="{RDF}" xmlns:c="{DC}" r:about=""><c:subject><r:Bag>{inner}</r:Bag></c:subject>'
        "</r:Description>"
    ).encode()
    if not rdf.has_end_tag:
        return text
    return text[: rdf.closing] + new + text[rdf.closing :]


@settings(deadline=None)  # other work on the machine is no fault
@given(ENCODING, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50))  # as XML
def test_encodings_are_without_loss(encoding: str, text: str) -> None:
    content = ENCODINGS[encoding]("<" + text)
    body, how = to_utf8(content)
    assert from_utf8(body, how) == content


@settings(deadline=None)  # other work on the machine is no fault
@given(st.binary(max_size=30), st.data())
def test_splices_have_an_inverse(text: bytes, data: st.DataObject) -> None:
    places = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=4)))
    splices = [
        Splice(place, text[place : place + min(1, nearest - place)], data.draw(st.binary(max_size=3)))
        for place, nearest in pairwise([*places, len(text)])
    ]
    changed = apply(text, splices)
    assert apply(changed, inverse(splices)) == text


def test_bytes_that_are_not_what_they_were_are_not_spliced() -> None:
    with pytest.raises(ValueError, match="byte 1"):
        apply(b"abc", [Splice(1, b"x", b"y")])


def test_prefixes_and_white_space_of_the_file_are_taken_over() -> None:
    changed = planned(PROGRAMS["one_line"](["sea"], []).encode(), marks(["places|beach"]), []).content
    assert changed is not None
    assert b"<li>sea</li><li>beach</li></Bag></d:subject>" in changed
    assert (
        f'<light:hierarchicalSubject><rdf:Bag xmlns:rdf="{RDF}"><rdf:li>places|beach</rdf:li></rdf:Bag>'
        in changed.decode()
    )
    changed = planned(PROGRAMS["lightroom"](["sea"], []).encode(), marks(["dog"]), []).content
    assert changed is not None
    assert b"     <rdf:li>sea</rdf:li>\n     <rdf:li>dog</rdf:li>\n    </rdf:Bag>" in changed
    assert f'xmlns:lr="{LR}"' in changed.decode()


@pytest.mark.parametrize(
    ("there", "keyword", "added"),
    [
        (["sea"], "sea", False),
        (["Sea"], "sea", False),
        (["Places"], "places|beach", True),
        (["beach"], "places|beach", True),
        (["nature|Sea"], "sea", False),  # Lightroom's whole path
        (["Places | Beach"], "places|beach", False),
        (["other|beach"], "places|beach", True),
        (["cafe\u0301"], "café", False),
    ],
)
def test_what_a_person_has_set_is_not_written_again(there: list[str], keyword: str, added: bool) -> None:
    content = PROGRAMS["lightroom"]([word.split("|")[-1] for word in there], there).encode()
    plan = planned(content, marks([keyword]), [])
    assert bool(plan.added) == added
    assert (plan.content == content) == (not added)
    assert len(plan.present) == (not added)


def test_what_a_person_has_removed_is_not_written_again() -> None:
    first = planned(None, marks(["sea", "dog"]), []).content
    assert first is not None
    without = first.replace(b"<rdf:li>sea</rdf:li>", b"")
    plan = planned(without, marks(["sea", "dog"]), [])
    assert [mark.keyword for mark in plan.removed] == ["sea"]
    assert plan.content == without


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "not valid XML"),
        ("<rdf:RDF", "not valid XML"),
        ("<a/>", "not XMP"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "document type"),
        ("<?xml version='1.0' encoding='iso-8859-1'?><a/>", "iso-8859-1"),
        (f"<rdf:RDF xmlns:rdf='{RDF}'><rdf:Description xmlns:dc='{DC}' dc:subject='sea'/></rdf:RDF>", "attribute"),
        (
            f"<rdf:RDF xmlns:rdf='{RDF}'><rdf:Description xmlns:dc='{DC}'><dc:subject rdf:parseType='Resource'/></rdf:Description></rdf:RDF>",
            "unusual",
        ),
        (
            f"<rdf:RDF xmlns:rdf='{RDF}'><rdf:Description xmlns:dc='{DC}'><dc:subject><a/></dc:subject></rdf:Description></rdf:RDF>",
            "unusual",
        ),
    ],
)
def test_what_is_not_safe_to_change_is_refused(content: str, why: str) -> None:
    with pytest.raises(SidecarError, match=why):
        planned(content.encode(), marks(["sea"]), [])


@pytest.mark.parametrize("content", [b"\xff\xfe<\0a", b"\xff\xfe\0\0<\0\0\0", b"<a>\xff</a>"])
def test_wrong_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(SidecarError):
        planned(content, marks(["sea"]), [])


def test_very_many_entries_are_refused() -> None:
    content = PROGRAMS["lightroom"]([], []).replace(
        "  </rdf:Description>", f"<dc:subject>{'<a/>' * MAX_ELEMENTS}</dc:subject>  </rdf:Description>"
    )
    with pytest.raises(SidecarError, match="200,000"):
        planned(content.encode(), marks(["sea"]), [])


def test_an_empty_sidecar_of_ours_goes_and_one_with_more_stays() -> None:
    plan = planned(None, marks(["sea"]), [])
    assert plan.content is not None
    change = change_of(None, plan)
    assert undone(plan.content, [change]) == Undone(None)
    spaced = plan.content.replace(b"</x:xmpmeta>", b"\n</x:xmpmeta>")
    assert undone(spaced, [change]) == Undone(None, edited=True)
    rated = plan.content.replace(
        b' rdf:about=""', b' rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"'
    )
    result = undone(rated, [change])
    assert result.content is not None
    assert b'xmp:Rating="4"' in result.content
    assert b"sea" not in result.content


def test_a_keyword_without_its_mark_may_be_a_persons() -> None:
    plan = planned(None, marks(["sea"]), [])
    other = PROGRAMS["lightroom"](["sea"], []).encode()  # another program has written the file anew
    result = undone(other, [change_of(None, plan)])
    assert result.content == other
    assert [one.mark.keyword for one in result.unsure] == ["sea"]


def test_marks_that_another_program_has_written_as_elements_are_known() -> None:
    plan = planned(None, marks(["sea"]), [])
    assert plan.content is not None
    text = plan.content.decode()
    start, end = text.index("<rdf:li neighbors:label"), text.index("/>", text.index("<rdf:li neighbors:label")) + 2
    fields = "".join(f"<neighbors:{k}>{v}</neighbors:{k}>" for k, v in vars(marks(["sea"])[0]).items())
    for form in (
        f'<rdf:li rdf:parseType="Resource">{fields}</rdf:li>',
        f"<rdf:li><rdf:Description>{fields}</rdf:Description></rdf:li>",
    ):
        content = (text[:start] + form + text[end:]).encode()
        assert found(content).marks == marks(["sea"])
        assert undone(content, [change_of(None, plan)]) == Undone(None, edited=True)
