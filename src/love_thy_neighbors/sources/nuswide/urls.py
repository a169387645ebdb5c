r"""The pictures' addresses on Flickr: NUS-WIDE-urls.txt.

    %%% a header
    C:\ImageData\Flickr\actor\0001_2124494179.jpg  2124494179  <Large>  <Middle>  <Small>  <Original>

Each of the four is a URL or ``null``. Some lines are malformed; they are skipped.
"""

import csv
import io
from collections.abc import Sequence

from love_thy_neighbors.sources.jsonl_lines import raw_lines
from love_thy_neighbors.sources.nuswide.files import Copy, ImageList

URLS = "NUS-WIDE-urls.txt"
_LONGEST = 10_000  # bytes of a line
_ORDER = (1, 0, 3, 2)  # Middle first: it is large enough for any backbone; then Large, Original, Small
_WEB = ("http://", "https://")


def missing_pictures(copy: Copy, images: ImageList, rows: Sequence[int]) -> tuple[str, dict[str, int]]:
    """A CSV (file, id, url) of the images ``rows``, whose pictures are missing, and a count; unknown URLs are empty."""
    wanted = {images.files[row]: "" for row in rows}
    for _, raw in raw_lines(copy.find(copy.root.name, URLS), _LONGEST):
        words = (raw or b"").decode("utf-8", "replace").split()
        file = "/".join(words[0].split("\\")[-2:]) if words else ""
        urls = words[2:]
        if file in wanted and len(urls) == len(_ORDER) and all(url == "null" or url.startswith(_WEB) for url in urls):
            wanted[file] = next((urls[size] for size in _ORDER if urls[size] != "null"), "")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "id", "url"))
    writer.writerows((images.files[row], images.ids[row], wanted[images.files[row]]) for row in rows)
    return text.getvalue(), {"missing_pictures_without_a_url": sum(not url for url in wanted.values())}
