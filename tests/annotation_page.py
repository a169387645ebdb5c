"""The page of an annotation in Chromium, as tests use it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from love_thy_neighbors.annotation.files import read_annotation

ROWS = """[...decisionPage.grid.rows()].map((row) => {
    const { index } = decisionPage.columns;
    return [decisionPage.search.fileOf(index.photo[row]), index.about.labels[index.label[row]]];
})"""


@contextmanager
def opened(chromium: Any, folder: Path, script: str = "", **options: Any) -> Iterator[Any]:
    """The page, ready, in a browser that knows nothing yet; it fails if a script fails or something is not a file.

    ``script`` runs before those of the page; ``options`` are those of Playwright's ``new_context``.
    """
    context = chromium.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
    faults: list[str] = []
    context.on("request", lambda request: None if request.url.startswith("file:") else faults.append(request.url))
    context.on("weberror", lambda error: faults.append(str(error.error)))
    context.add_init_script(script)
    try:
        yield visit(context.new_page(), folder)
        assert faults == []
    finally:
        context.close()


def visit(page: Any, folder: Path) -> Any:
    page.goto((folder / "index.html").as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    return page


def shown(page: Any) -> list[tuple[str, str]]:
    """File and label of the rows that the filters leave, in order."""
    return [(file, label) for file, label in page.evaluate(ROWS)]


def expected(folder: Path, wanted: Any) -> list[tuple[str, str]]:
    """File and label of the rows of suggestions.parquet that are ``wanted(row, photo)``, most certain first.

    The page has 16 bits of each probability; photos of the same 16 bits are in order.
    """
    annotation = read_annotation(folder)
    photos = annotation.photos.to_pylist()
    rows = [row for row in annotation.suggestions.to_pylist() if wanted(row, photos[row["photo"]])]
    return [(row["file"], row["label"]) for row in sorted(rows, key=_order)]


def _order(row: dict[str, Any]) -> tuple[int, int, float]:
    return -round(row["probability"] * 65535), row["photo"], -row["probability"]
