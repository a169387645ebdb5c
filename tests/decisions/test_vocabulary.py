"""decisions/vocabulary.py."""

from pathlib import Path

import pytest

from love_thy_neighbors.decisions.vocabulary import read_vocabulary
from love_thy_neighbors.errors import UserError

LABELS = ["sea", "beach", "people", "dog"]


@pytest.mark.parametrize(
    "content",
    [
        "label,keyword\nsea, Meer\n\nbeach,Orte|Strand\npeople,\nunused,x\n",
        "\ufefflabel;keyword\r\nsea;Meer\r\nbeach;Orte|Strand\r\npeople;\r\n",
    ],
)
def test_words_of_the_user(tmp_path: Path, content: str) -> None:
    (tmp_path / "words.csv").write_bytes(content.encode())
    assert read_vocabulary(tmp_path / "words.csv", LABELS) == {"sea": "Meer", "beach": "Orte|Strand", "people": ""}


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("", "line 1"),
        ("sea,Meer\n", "line 1"),
        ("label,keyword\nsea\n", "line 2"),
        ("label,keyword\nsea,a\n\nsea,b\n", "line 4"),
        ("label,keyword\nsea,a||b\n", "line 2"),
        ("label,keyword\nsea,a\x01\n", "line 2"),
        ("label,keyword\nsea,\udcff\n", "UTF-8"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, content: str, where: str) -> None:
    path = tmp_path / "words.csv"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UserError) as caught:
        read_vocabulary(path, LABELS)
    assert str(path) in str(caught.value)
    assert where in str(caught.value)


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="vocabulary: "):
        read_vocabulary(tmp_path, LABELS)
