"""Links of all pages lead to files and headings that exist; the README stays short; versions agree."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from pages import PAGES, text_of

from conftest import ROOT


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    text = re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", text_of(page)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_has_at_most_200_lines_and_links_every_page() -> None:
    readme = text_of(ROOT / "README.md")
    assert len(readme.splitlines()) <= 200
    links = set(re.findall(r"\]\(([^)#]+)\)", readme))
    pages = {str(page.relative_to(ROOT)) for page in PAGES}
    assert pages - links == {"README.md"}


def test_every_folder_and_module_of_the_package_is_in_the_layout() -> None:
    layout = text_of(ROOT / "CONTRIBUTING.md")
    package = ROOT / "src" / "love_thy_neighbors"
    parts = [path for path in package.iterdir() if path.name[0] not in "_." and (path.is_dir() or path.suffix == ".py")]
    assert [path.name for path in parts if f"`{path.name}{'/' if path.is_dir() else ''}`" not in layout] == []


def test_the_version_is_the_same_everywhere() -> None:
    version = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]["version"]
    assert yaml.safe_load(text_of(ROOT / "CITATION.cff"))["version"] == version
    assert f"## [{version}]" in text_of(ROOT / "CHANGELOG.md")


def test_the_citation_file_has_what_its_format_requires() -> None:
    cited = yaml.safe_load(text_of(ROOT / "CITATION.cff"))
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= cited.keys()
    assert {"type", "title", "authors"} <= cited["preferred-citation"].keys()
