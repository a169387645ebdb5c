"""Photos per second of each backbone: python benchmarks/extraction.py [--images 400].

Runs ``prepare.py source=folder`` on made-up JPEGs of 640 x 480 pixels for each backbone, with random weights instead of
downloaded ones, which does not change the time. A second run has twice as many photos; the difference of the two is the
result, so that start and loading do not count. Prints a table, and at the end one line of JSON.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
BACKBONES = ("efficientnet_lite0", "alexnet", "resnet50", "vgg16")


def write_photos(folder: Path, count: int) -> None:
    """Smooth random pictures with some noise: about 70 kB each, like photos of that size."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
        pixels = np.asarray(small.resize((640, 480), Image.Resampling.BICUBIC)).astype(np.int16)
        noisy = np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number}.jpg", quality=90)


def seconds(photos: Path, out: Path, backbone: str, weights: list[str]) -> float:
    """The seconds that prepare.py takes."""
    command = [sys.executable, str(ROOT / "prepare.py"), "source=folder", f"root={photos}", f"out={out}"]
    started = time.monotonic()
    subprocess.run(
        [*command, f"backbone={backbone}", *weights], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return time.monotonic() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200, help="photos in the smaller of the two runs")
    images = parser.parse_args().images
    shown = Table(title=f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, 640 x 480 JPEG")
    for heading in ("backbone", "photos per second"):
        shown.add_column(heading)
    rates = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_photos(folder / "few", images)
        write_photos(folder / "many", 2 * images)
        for backbone in BACKBONES:
            weights = []
            if backbone in torchvision.models.list_models():
                torch.save(torchvision.models.get_model(backbone).state_dict(), folder / "weights.pth")
                weights = [f"weights={folder / 'weights.pth'}"]
            few, many = (
                seconds(folder / kind, folder / f"{backbone}-{kind}", backbone, weights) for kind in ("few", "many")
            )
            rates[backbone] = round(images / (many - few), 1)
            shown.add_row(backbone, f"{rates[backbone]:.1f}")
    Console().print(shown)
    print(json.dumps({"images_per_s": rates}))


if __name__ == "__main__":
    main()
