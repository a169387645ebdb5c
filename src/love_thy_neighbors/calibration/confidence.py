"""What a model folder keeps of its calibration, and what ``results.json`` says of it.

>>> confidence = fit_confidence(val_scores, val_labels)                              # doctest: +SKIP
>>> probabilities = confidence.probabilities(scores)                                 # doctest: +SKIP
>>> suggested = probabilities >= confidence.thresholds(precision=0.9)                # doctest: +SKIP
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from love_thy_neighbors.calibration.figures import calibration_errors, reliability, suggestion_figures
from love_thy_neighbors.calibration.platt import Platt, fit_platt
from love_thy_neighbors.calibration.thresholds import Curve, fit_curves, thresholds
from love_thy_neighbors.errors import UserError


@dataclass(frozen=True)
class Confidence:
    """The calibration and the thresholds of a model's L labels, in the order of its scores."""

    platt: Platt
    curves: tuple[Curve, ...]

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Probability that each label is right. Shapes: ``scores`` [n, L], returns [n, L]."""
        return self.platt.probabilities(scores)

    def thresholds(self, precision: float) -> np.ndarray:
        """The probability [L] from which each label is suggested, inf for never; see `thresholds.thresholds`."""
        return thresholds(self.curves, precision)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for a JSON file; `from_dict` gives back the same thresholds and probabilities."""
        curves = [{"precision": one.precision.tolist(), "threshold": one.threshold.tolist()} for one in self.curves]
        return {
            "slopes": self.platt.slopes.tolist(),
            "intercepts": self.platt.intercepts.tolist(),
            "curves": curves,
        }

    @classmethod
    def from_dict(cls, content: object, labels: int | None = None, where: str = "confidence") -> "Confidence":
        """Reads what `to_dict` gives. Raises `UserError`, which begins with ``where`` and names the key.

        labels: how many labels the model has; None to take as many as there are slopes.
        where: the file, and the key in it, that the content is from.
        """
        slopes = _numbers(content, "slopes", where)
        intercepts = _numbers(content, "intercepts", where)
        listed = _value(content, "curves", where)
        wanted = len(slopes) if labels is None else labels
        for key, value in (("slopes", slopes), ("intercepts", intercepts), ("curves", listed)):
            if not isinstance(value, list | np.ndarray) or len(value) != wanted:
                raise UserError(f"{where}.{key}: must be a list with one entry for each of {wanted} labels; {_CURE}.")
        if (slopes < 0).any():
            raise UserError(f"{where}.slopes: must not be below zero; {_CURE}.")
        curves = tuple(_curve(one, f"{where}.curves[{place}]") for place, one in enumerate(listed))
        return cls(Platt(slopes, intercepts), curves)


_CURE = "take the file of a finished run as it was written"


def _value(content: object, key: str, where: str) -> Any:
    if not isinstance(content, dict) or key not in content:
        raise UserError(f"{where}.{key}: is missing; {_CURE}.")
    return content[key]


def _numbers(content: object, key: str, where: str) -> np.ndarray:
    """A list of finite numbers."""
    value = _value(content, key, where)
    if not isinstance(value, list) or any(type(one) not in (int, float) or not abs(one) < 1e300 for one in value):
        raise UserError(f"{where}.{key}: must be a list of finite numbers; {_CURE}.")
    return np.array(value, dtype=np.float64)


def _curve(content: object, where: str) -> Curve:
    """A curve whose two lists are equally long, lie between 0 and 1, and ascend."""
    precision, threshold = _numbers(content, "precision", where), _numbers(content, "threshold", where)
    for key, value in (("precision", precision), ("threshold", threshold)):
        if len(value) != len(precision) or (np.diff(value) <= 0).any() or ((value < 0) | (value > 1)).any():
            raise UserError(f"{where}.{key}: must ascend from 0 to 1, in step with precision; {_CURE}.")
    return Curve(precision, threshold)


def fit_confidence(scores: np.ndarray, labels: np.ndarray) -> Confidence:
    """Calibration and thresholds from images that the model was not trained on.

    Shapes: ``scores`` [n, L], float; ``labels`` [n, L], true where the label is right. Raises `ValueError` for no
    image, no label, shapes that differ and scores that are not finite.
    """
    platt = fit_platt(scores, labels)
    return Confidence(platt, fit_curves(platt.probabilities(scores), labels))


@dataclass(frozen=True)
class Alone:
    """The confidence of images without neighbours; boolean [n], which of the validation and test images these are."""

    confidence: Confidence
    val: np.ndarray
    test: np.ndarray


def probabilities_and_limits(
    scores: np.ndarray,
    precision: float,
    confidence: Confidence,
    alone: Confidence | None = None,
    without: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities of n images, and from which probability on each label is suggested, inf for never.

    ``alone`` is for the images without neighbours, which ``without`` [n] marks. Shapes: all [n, L].
    """
    found, limits = confidence.probabilities(scores), np.broadcast_to(confidence.thresholds(precision), scores.shape)
    if alone is None or without is None:
        return found, limits
    marked = without[:, None]
    return np.where(marked, alone.probabilities(scores), found), np.where(marked, alone.thresholds(precision), limits)


def confidence_figures(
    val_scores: np.ndarray,
    val_labels: np.ndarray,
    test_scores: np.ndarray,
    test_labels: np.ndarray,
    names: Sequence[str],
    precision: float,
    confidence: Confidence | None = None,
    alone: Alone | None = None,
) -> dict[str, Any]:
    """The value of ``confidence`` in ``results.json``: how sure the model is, and how far that can be trusted.

        precision           what the thresholds were asked for, a fraction
        labels              L
        calibration_error   percent, for val and test, over all pairs and the possible ones (`calibration_errors`); the
                            numbers were fitted to the validation images, so trust the figure of the test images
        suggestions         counts and percent on test images (`suggestion_figures`)
        never_suggested     names of the labels that cannot reach the precision
        reliability         bins of test images (`reliability`)

    ``confidence`` is fitted to the validation images if it is not given. ``alone`` is for images without neighbours, as
    annotate.py does it. Shapes: scores and labels [n, L], ``names`` L
    of them. Raises `ValueError` like `fit_confidence`, and `UserError` for a precision that is not between 0 and 1.
    """
    fitted = fit_confidence(val_scores, val_labels) if confidence is None else confidence
    second, val_alone, test_alone = (None, None, None) if alone is None else (alone.confidence, alone.val, alone.test)
    val, _ = probabilities_and_limits(val_scores, precision, fitted, second, val_alone)
    test, limits = probabilities_and_limits(test_scores, precision, fitted, second, test_alone)
    never = np.isinf(limits).all(axis=0)
    return {
        "precision": precision,
        "labels": len(names),
        "calibration_error": {
            "val": calibration_errors(val, val_labels),
            "test": calibration_errors(test, test_labels),
        },
        "suggestions": suggestion_figures(test, limits, test_labels),
        "never_suggested": [name for name, hidden in zip(names, never, strict=True) if hidden],
        "reliability": reliability(test, test_labels),
    }
