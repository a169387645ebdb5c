"""Take the two screenshots of docs/annotate.md: python docs/screenshots.py RUN, for a run on the embedded collection.

Opens the page of the test images in Chromium, and photographs the grid and a photo that its neighbours changed.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PHOTO = 1  # place in the grid of the photo that is opened
SIZE = {"width": 1280, "height": 860}


def main(run: str) -> None:
    """Annotate, open, photograph."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        out = Path(folder) / "annotation"
        command = [sys.executable, str(ROOT / "annotate.py"), f"run={run}", "images=test", f"out={out}"]
        subprocess.run(command, check=True)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.goto((out / "index.html").as_uri())
        page.wait_for_load_state("networkidle")
        page.screenshot(path=ROOT / "docs" / "annotate-grid.png")
        page.click("#filters-box summary")
        page.check("#changed")
        page.wait_for_timeout(1000)
        page.keyboard.press("Escape")
        page.locator("[role=gridcell]").nth(PHOTO).click()
        page.wait_for_timeout(1000)
        page.screenshot(path=ROOT / "docs" / "annotate-photo.png")


if __name__ == "__main__":
    main(sys.argv[1])
