"""The labels of the Open Clip Art collection: a table of words and folders, written by hand.

An image has a label if one of its keywords, or a word in one, is among the label's words (inflections included), or if
it is in one of the label's folders. Tags with any of these words are left out.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """The words and folders of one label."""

    words: tuple[str, ...]
    folders: tuple[str, ...] = ()


def _rule(words: str, folders: str = "") -> Rule:
    """Words separated by commas (with spaces for underscores), folders separated by spaces."""
    return Rule(tuple(word.strip() for word in words.split(",")), tuple(folders.split()))


_THEMES = "computer/icons/{0}-theme/"
_FLAT, _LEMON, _ETIQUETTE = (_THEMES.format(name) for name in ("flat", "lemon", "etiquette"))
_FLAGS = "signs_and_symbols/flags"

LABELS: dict[str, Rule] = {
    # computers and their icons
    "computer": _rule("computer, pc, laptop, workstation", "computer"),
    "icon": _rule("icon, theme, appicon, mimeicon, iconset", "computer/icons"),
    "action icon": _rule("action, activity", f"{_FLAT}action {_LEMON}actions {_ETIQUETTE}actions"),
    "application": _rule(
        "application, app, program, software",
        f"computer/icons/applications {_FLAT}applications {_LEMON}apps {_ETIQUETTE}apps",
    ),
    "file type": _rule("mimetype, mime type, mime", f"{_LEMON}mimetypes {_ETIQUETTE}mimetypes"),
    "folder": _rule(
        "filesystem, folder, directory",
        f"computer/folders {_LEMON}filesystems {_ETIQUETTE}filesystems",
    ),
    "device": _rule(
        "device, hardware",
        f"computer/hardware {_FLAT}device {_LEMON}devices {_ETIQUETTE}devices",
    ),
    "button": _rule("button", "buttons computer/buttons"),
    "network": _rule("network, networksym, internet, net", "computer/network"),
    "electronics": _rule("electronics, electronic, electricity, electric", "electronics"),
    # signs, symbols, flags, places
    "sign or symbol": _rule("sign, symbol, signs and symbols, logo, emblem", "signs_and_symbols logos"),
    "flag": _rule("flag, signalflag, international flag", _FLAGS),
    "signal flag": _rule("semaphore, signalflag, signal", f"{_FLAGS}/semaphore"),
    "road sign": _rule("roadsign, road sign, traffic", "transportation/roadsigns"),
    "map symbol": _rule("mapsym, map symbol", "signs_and_symbols/map_symbols"),
    "map": _rule("map, geography, coastline", "geography"),
    "europe": _rule("europe, european", f"{_FLAGS}/europe"),
    "africa": _rule("africa, african", f"{_FLAGS}/africa"),
    "asia": _rule("asia, asian", f"{_FLAGS}/asia"),
    "america": _rule("america, american, northamerica, latinamerica", f"{_FLAGS}/america"),
    "oceania": _rule("oceania, australia, australian, polynesia, micronesia, melanesia", f"{_FLAGS}/oceania"),
    "led display": _rule("led", "signs_and_symbols/led"),
    # nature
    "animal": _rule("animal, wildlife, animali, animale", "animals"),
    "mammal": _rule("mammal", "animals/mammals"),
    "bird": _rule("bird", "animals/birds"),
    "insect": _rule("insect, bug", "animals/bugs"),
    "plant": _rule("plant, tree, evergreen", "plants"),
    "flower": _rule("flower", "plants/flowers"),
    "weather": _rule("weather, weathersym", "signs_and_symbols/weather"),
    "astronomy": _rule("astronomy, space, planet, lunar, moon", "geography/astronomy science/astronomy"),
    # food
    "food": _rule("food, menu", "food"),
    "drink": _rule("beverage, drink", "food/beverages"),
    "dessert": _rule("dessert, icecream, ice cream", "food/desserts"),
    "fruit": _rule("fruit", "food/fruit"),
    # people and what they do
    "people": _rule("people, person, human", "people"),
    "clothing": _rule("clothing, clothes, hat", "people/clothing"),
    "smiley": _rule("smiley, smily, face", "people/smilies"),
    "stickman": _rule("stickmen, stickman", "people/stickmen"),
    "sport": _rule("sport", "recreation/sports"),
    "game": _rule("game, chess", "recreation/games computer/games"),
    "card": _rule("card", "recreation/games/cards"),
    "toy": _rule("toy", "recreation/toys tools/toys"),
    "music": _rule("music, musicstuff, musicsym, musical, musician", "recreation/music"),
    "holiday": _rule("holiday, religholiday, usholiday", "recreation/holiday"),
    "party": _rule("party, festive, fest", "recreation/party"),
    "religion": _rule("religion, religious, christianity, christian", "recreation/religion"),
    "education": _rule("education, study, school, skewl", "education"),
    "office": _rule("office", "office"),
    # things
    "building": _rule("building, house, home, architecture, architettura", "buildings"),
    "transport": _rule("transport, transportation", "transportation"),
    "vehicle": _rule("vehicle, car, automobile, truck, bus", "transportation/vehicles"),
    "boat": _rule("boat, boating, sailing, ship", "transportation/boating"),
    "tool": _rule("tool", "tools"),
    "weapon": _rule("weapon, gun", "tools/weapons"),
    # forms
    "shape": _rule("shape, geometry, geometric", "shapes"),
    "arrow": _rule("arrow, arrowshape", "shapes/arrows"),
    "callout": _rule("callout, thought", "shapes/callouts"),
    "flowchart": _rule("flowchart", "shapes/flowchart"),
    "jigsaw": _rule("jigsaw", "shapes/jigsaw"),
    "decoration": _rule("decoration, decorative, ornament, flourish", "decorations"),
}


def singular(word: str) -> str:
    """``word`` without an English plural ending.

    >>> [singular(word) for word in ("boats", "ladies", "boxes", "glass", "bus")]
    ['boat', 'lady', 'box', 'glass', 'bus']
    """
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("xes", "ches", "shes", "sses", "uses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us")) and len(word) > 3 else word


def stem(word: str) -> str:
    """``word`` roughly without its English inflection: words with equal stems count as the same word.

    >>> [stem(word) for word in ("boats", "boating", "buildings", "flagged", "houses", "house")]
    ['boat', 'boat', 'build', 'flag', 'hous', 'hous']
    """
    word = singular(word)
    for suffix in ("ing", "ed", "er"):
        if word.endswith(suffix) and len(word) > len(suffix) + 1 and not word.endswith("eed"):
            word = re.sub(r"([bdgmnpt])\1$", r"\1", word.removesuffix(suffix))
            break
    return word.removesuffix("e") if len(word) > 3 else word


def words_of(text: str) -> list[str]:
    """The words of ``text`` in lower case; words are letters and digits."""
    return re.findall(r"[^\W_]+", text.lower())


def phrase(text: str) -> tuple[str, ...]:
    """The stems of the words of ``text``; keywords with equal stems are equal."""
    return tuple(stem(word) for word in words_of(text))


_PHRASES = {name: {phrase(text) for text in rule.words} for name, rule in LABELS.items()}
_WORDS = {word for name, rule in LABELS.items() for text in (name, *rule.words) for word in words_of(text)}
_STEMS = {stem(word) for word in _WORDS}
_HEADS = tuple(word for word in _WORDS if len(word) >= 4)


def labels_of(keywords: set[str], folders: set[str]) -> set[str]:
    """The labels of an image with these ``keywords`` in these ``folders``."""
    phrases = {
        words[i:j] for words in map(phrase, keywords) for i in range(len(words)) for j in range(i + 1, len(words) + 1)
    }
    return {
        name
        for name, rule in LABELS.items()
        if phrases & _PHRASES[name]
        or any(f"{folder}/".startswith(f"{filed}/") for folder in folders for filed in rule.folders)
    }


def names_a_label(text: str) -> bool:
    """Whether a tag contains an inflection of a word in the table, or a compound that ends in such a word.

    >>> names_a_label("fishing boats"), names_a_label("sailboat"), names_a_label("harbour")
    (True, True, False)
    """
    return any(stem(word) in _STEMS or singular(word).endswith(_HEADS) for word in words_of(text))
