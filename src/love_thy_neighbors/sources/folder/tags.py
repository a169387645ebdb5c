"""The tags of pictures: keywords in one spelling and the words of texts, without those that programs write."""

from collections import Counter
from collections.abc import Collection, Sequence

from love_thy_neighbors.sources.folder.copies import Picture
from love_thy_neighbors.sources.folder.words import is_automatic, whole, words
from love_thy_neighbors.sources.ignored_tags import IgnoredTags
from love_thy_neighbors.sources.not_taken import NotTaken
from love_thy_neighbors.sources.spelling import one_spelling

_TEXTS = ("title", "description")


def tags_of(
    pictures: Sequence[Picture], texts: Collection[str], ignored: IgnoredTags, not_taken: NotTaken
) -> tuple[list[tuple[str, ...]], dict[str, int]]:
    """The sorted tags of each picture, and counts. ``texts`` are those of title and description whose words become
    tags. Tags that are left out are noted in ``not_taken``."""
    spelling = one_spelling(keyword for picture in pictures for keyword in picture.metadata.keywords)
    tags, counts = [], Counter[str]()
    for picture in pictures:
        metadata, path = picture.metadata, picture.paths[0]
        keywords, cut = whole(metadata.keywords, metadata.cut)
        found = {spelling[keyword.casefold()] for keyword in keywords}
        for name in _TEXTS:
            text = getattr(metadata, name)
            automatic = is_automatic(text)
            counts[f"pictures_with_{name}"] += bool(text) and not automatic
            counts[f"{name}s_that_say_nothing_left_out"] += bool(text) and automatic
            if name in texts and not automatic:
                found |= {spelling.setdefault(word.casefold(), word) for word in sorted(words(text))}
        out = ignored.of_one(sorted(found), metadata.paths, metadata.made_with)
        out |= dict.fromkeys(cut, "cut off at 64 bytes in IPTC; the whole keyword is there, too")
        for tag, reason in out.items():
            not_taken.add(tag, reason, path)
        counts["pictures_with_keywords"] += bool(keywords)
        tags.append(tuple(sorted(found - out.keys())))
    return tags, dict(counts)
