"""What `fuzz_worker.py` damages, and what then reads it: a whole file, and a function of its damaged content."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from fuzz_worker import made
from PIL import Image

from conftest import made_up_table, write_made_up
from love_thy_neighbors.collection.loading import load_collection
from love_thy_neighbors.sources import folder as folder_source
from love_thy_neighbors.sources import mcauley, paper_release
from love_thy_neighbors.sources.paper_release import FEATURES, IMAGE_IDS, NUS

Read = Callable[[bytes, Path], None]


def photo() -> bytes:
    """A small JPEG with EXIF and XMP blocks."""
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x013B] = 6, "Waves at the beach", "Ann"
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Bag><rdf:li>sea</rdf:li>'
        "<rdf:li>holiday</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif, xmp=xmp.encode())
    return buffer.getvalue()


def jpeg(seed: Path) -> tuple[bytes, Read]:
    """A folder of two photos, of which one is damaged; what cannot be read is left out."""
    good = photo()

    def read(data: bytes, place: Path) -> None:
        root = place / "photos"
        root.mkdir()
        (root / "good.jpg").write_bytes(good)
        (root / "bad.jpg").write_bytes(data)
        on_error = "stop" if len(data) % 2 else "skip"
        made(folder_source, folder_source.Options(root=root, on_error=on_error, max_rejected=1), place)

    return good, read


def xml(seed: Path) -> tuple[bytes, Read]:
    """McAuley's metadata."""
    from fixtures.mcauley import write

    content = write(seed).read_bytes()

    def read(data: bytes, place: Path) -> None:
        (place / "photos.xml").write_bytes(data)
        made(mcauley, mcauley.Options(xml=place / "photos.xml", label_source="NUS", on_error="skip"), place)

    return content, read


def parquet(seed: Path) -> tuple[bytes, Read]:
    """The images of a collection; its card does not know their hash, so that nothing but the reader stands in between."""
    collection = write_made_up(seed, *made_up_table(60))
    card = json.loads((collection / "card.json").read_text())
    del card["images_sha256"]
    (collection / "card.json").write_text(json.dumps(card))

    def read(data: bytes, place: Path) -> None:
        (collection / "images.parquet").write_bytes(data)
        load_collection(collection)

    content = (collection / "images.parquet").read_bytes()
    assert pq.read_table(io.BytesIO(content)).num_rows == 60
    return content, read


def hdf5(seed: Path) -> tuple[bytes, Read]:
    """The paper's labels and tags, ids or features, in HDF5. MATLAB's version 5 is not tried: SciPy crashes on it."""
    from fixtures.paper_release import TRAIN, made_up, write

    names = (NUS, IMAGE_IDS, FEATURES)
    write(seed, made_up(), "7.3")
    contents = {name: (seed / name).read_bytes() for name in names}
    lengths = {name: len(content) for name, content in contents.items()}

    def read(data: bytes, place: Path) -> None:
        """``data`` is all files one after the other: the one that was damaged is longer, shorter or other than it was."""
        root = place / "release"
        shutil.copytree(seed, root)
        start = 0
        for name in names:
            (root / name).write_bytes(data[start : start + lengths[name]])
            start += lengths[name]
        made(paper_release, paper_release.Options(root=root, train_images=TRAIN, on_error="skip"), place)

    return b"".join(contents.values()), read


TARGETS = {"jpeg": jpeg, "xml": xml, "parquet": parquet, "hdf5": hdf5}
