"""The model card, README.md of a model folder: YAML for Hugging Face's Hub, then text and figures for each label."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from love_thy_neighbors.visible import one_line

PAPER = '"Love Thy Neighbors: Image Annotation by Exploiting Image Metadata" (Johnson, Ballan, Fei-Fei, ICCV 2015)'


@dataclass(frozen=True)
class LabelFigures:
    """One label on the test images; counts, and fractions of 1, None where there is nothing to divide by.

    images: training images with the label. threshold: probability from which it is suggested, None for never.
    """

    label: str
    images: int
    average_precision: float | None
    threshold: float | None
    suggested: int
    precision: float | None
    coverage: float | None


def model_card(
    description: dict[str, Any],
    test: dict[str, Any],
    confidence: dict[str, Any],
    labels: Sequence[LabelFigures],
    licence: str,
    *,
    annotates: bool = True,
) -> str:
    """The card of the model that ``description`` describes (the keys of config.json).

    test: figures on test images in percent. confidence: the value of ``confidence`` in results.json.
    licence: of the collection, as its card states it. annotates: whether annotate.py takes the model for new photos.
    """
    head = yaml.safe_dump(_head(description, test), sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n{_text(description, test, confidence, licence, annotates)}\n{_table(labels)}"


def _head(description: dict[str, Any], test: dict[str, Any]) -> dict[str, Any]:
    dataset = {"name": description["trained_on"]["collection"], "type": description["trained_on"]["collection"]}
    metrics = [{"type": key, "value": round(test[key], 2), "name": f"{key} (percent)"} for key in ("mAP_L", "mAP_I")]
    task = {"type": "image-classification", "name": "Multi-label image annotation"}
    return {
        "library_name": "love-thy-neighbors",
        "pipeline_tag": "image-classification",
        "license": "other",
        "license_name": "as-the-training-photos",
        "tags": ["image-annotation", "multi-label-classification", "metadata"],
        "model-index": [
            {
                "name": description["trained_on"]["run"],
                "results": [{"task": task, "dataset": dataset, "metrics": metrics}],
            }
        ],
    }


def _text(
    description: dict[str, Any], test: dict[str, Any], confidence: dict[str, Any], licence: str, annotates: bool
) -> str:
    trained, backbone, neighbours = (description[key] for key in ("trained_on", "backbone", "neighbours"))
    found = confidence["suggestions"]
    shares = [f"{found[key]:.0f} %" if found[key] is not None else "none" for key in ("precision", "coverage")]
    preprocessing, asked = backbone.get("preprocessing", "preprocessing not known"), 100 * confidence["precision"]
    return f"""# {trained["run"]}

A model `{description["model"]["name"]}` {_origin(neighbours)} {PAPER},
as the package love-thy-neighbors trains it. It gives scores for
{len(description["labels"])} labels to a photo, {_seen(neighbours) if annotates else "from more than its feature"}.

- Trained on the collection {one_line(trained["collection"])}, split {trained["split"]}, on {trained["date"][:10]}.
- Licence of the photos: {one_line(licence)}.
- Features: {backbone["name"]}, {backbone["dim"]} numbers a photo; {preprocessing}.
- On the test images: mAP_L {test["mAP_L"]:.2f} %, mAP_I {test["mAP_I"]:.2f} %.
- With thresholds for a precision of {asked:.0f} %, it makes {found["suggested"]:,} suggestions on the test images.
  Of these {shares[0]} are right, and they cover {shares[1]} of the labels.

{_ANNOTATES if annotates else _ONLY_THERE}
Probabilities and thresholds were fitted on validation images. They hold for photos of the same kind. The labels are
those of the training collection: the model knows no other, and repeats the mistakes of the people who labelled it.
"""


_ANNOTATES = """```bash
python annotate.py run=THIS_FOLDER photos=photos/ out=annotations/photos
```

```python
from love_thy_neighbors import Annotator

table = Annotator.load("THIS_FOLDER").suggest("photos/")
```
"""
_ONLY_THERE = """It needs more than features and neighbours, so annotate.py does not take it for new photos.
"""


def _origin(neighbours: dict[str, Any] | None) -> str:
    return "that builds on" if neighbours is not None and "relations" in neighbours else "of"


def _seen(neighbours: dict[str, Any] | None) -> str:
    if neighbours is None:
        return "from the photo's feature alone"
    if "relations" in neighbours:
        each = ", ".join(
            f"the {neighbours['M']} photos with the most similar {name}" for name in neighbours["relations"]
        )
        return f"from the photo's feature and the mean features of {each}"
    kind = neighbours["metadata"]["type"]
    kinds = {"union": "metadata", "visual": "features"}.get(kind, kind)
    return f"from the photo's feature and those of the {neighbours['M']} photos with the most similar {kinds}"


def _table(labels: Sequence[LabelFigures]) -> str:
    lines = [
        "## Labels",
        "",
        "On the test images, in percent. A label without a threshold is never suggested.",
        "",
        "| label | training images | average precision | threshold | suggestions | right | coverage |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one in labels:
        shares = (one.average_precision, one.threshold, one.precision, one.coverage)
        ap, threshold, right, coverage = ("–" if share is None else f"{100 * share:.1f}" for share in shares)
        name = one_line(one.label).replace("|", "\\|")
        lines.append(f"| {name} | {one.images:,} | {ap} | {threshold} | {one.suggested:,} | {right} | {coverage} |")
    return "\n".join(lines) + "\n"
