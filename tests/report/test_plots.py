"""The data that the report's figures show."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.report import style
from love_thy_neighbors.report.estimates import estimate_of
from love_thy_neighbors.report.sections import correlation, curves, learned_weights, per_label
from love_thy_neighbors.report.style import MUTED, RIGHT, SERIES, WRONG


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_every_colour_of_text_can_be_read() -> None:
    for color in (style.TEXT, MUTED, RIGHT, WRONG, *SERIES):
        low, high = sorted((luminance(color), luminance(style.BACKGROUND)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, color


def test_names_are_shortened_to_one_line() -> None:
    assert style.shortened("a\nb\tc") == "a b c"
    assert style.shortened("x" * 30, 10) == "x" * 9 + "…"


def named(figure: Figure) -> list[str]:
    """The names in the legend."""
    return [text.get_text() for text in figure.legends[0].get_texts()]


def line(axis: object, color: str) -> np.ndarray:
    """The points [n, 2] of the first line of a colour."""
    return next(np.column_stack(line.get_data()) for line in axis.lines if to_hex(line.get_color()) == color)  # type: ignore[attr-defined]


def save(figure: Figure, folder: Path) -> None:
    """Saving a figure fails if a part of it cannot be drawn."""
    figure.savefig(folder / "figure.png")
    figure.savefig(folder / "figure.pdf")


def estimates(*means: float) -> list[Estimate]:
    return [estimate_of([mean - 1, mean + 1]) for mean in means]


def test_hyperparameters_show_every_value_and_every_baseline(tmp_path: Path) -> None:
    points = {
        "m": list(zip((1, 2, 3), estimates(60, 61, 62), strict=True)),
        "tau": list(zip((50, 1000, 5000), estimates(58, 60, 62), strict=True)),
    }
    figure = curves.hyperparameter_curves(points, {"visual-only": 57.0, "kNN voting": 56.9})
    m, tau = figure.axes
    assert line(m, SERIES[0]).tolist() == [[1, 60], [2, 61], [3, 62]]
    assert line(tau, SERIES[0]).tolist() == [[50, 58], [1000, 60], [5000, 62]]
    assert tau.get_xscale() == "log"
    assert [tick.get_text() for tick in tau.get_xticklabels()] == ["50", "1000", "5000"]
    assert named(figure) == ["visual-only", "kNN voting", "neighborhood"]
    for axis in (m, tau):
        assert line(axis, SERIES[1])[0, 1] == 57.0
    bars = m.collections[0].get_segments()
    assert np.ptp(bars[0][:, 1]) == pytest.approx(2 * np.sqrt(2))  # the standard deviation to either side
    save(figure, tmp_path)


def test_overlap_is_shown_in_percent_with_the_baseline(tmp_path: Path) -> None:
    points = list(zip((0.0, 0.5, 1.0), estimates(60, 61, 63), strict=True))
    figure = curves.overlap_curve(points, Estimate(57.0, 0.5, 5))
    assert line(figure.axes[0], SERIES[0]).tolist() == [[0, 60], [50, 61], [100, 63]]
    assert line(figure.axes[0], SERIES[1])[:, 1].tolist() == [57, 57]
    assert named(figure) == ["visual-only", "neighborhood"]
    save(figure, tmp_path)
    assert named(curves.overlap_curve(points[:1], None)) == ["neighborhood"]


def test_label_correlation_shows_each_type_and_chance(tmp_path: Path) -> None:
    mean = {"tags": np.array([0.5, 0.4, 0.3]), "sets": np.array([0.6, np.nan, np.nan]), "visual": np.full(3, np.nan)}
    figure = correlation.mean_curves({kind: np.stack([m - 0.01, m + 0.01]) for kind, m in mean.items()}, 0.05)
    axis = figure.axes[0]
    assert line(axis, SERIES[0]) == pytest.approx(np.array([[1, 50], [2, 40], [3, 30]]))
    assert line(axis, MUTED)[0, 1] == pytest.approx(5)
    assert named(figure) == ["tags", "sets", "visual features", "chance"]
    save(figure, tmp_path)
    many = correlation.mean_curves({f"type{number}": np.full((1, 3), 0.5) for number in range(9)}, 0.05)
    assert len(named(many)) == 10


def test_label_correlation_by_label_has_a_panel_for_each(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    probability, chance = rng.random((2, 20, 9)), np.linspace(0.9, 0, 9)
    probability[1, 5:, 2] = np.nan
    names = ["$a", "b_1", *"cdefghi"]
    chosen = correlation.labels_over_frequencies(chance, 4)
    assert chosen == [0, 2, 5, 7]  # from the most frequent to the rarest that occurs
    figure = correlation.by_label_curves(probability, chance, ["tags", "sets"], names, chosen)
    assert [axis.get_title(loc="left") for axis in figure.axes[:4]] == ["$a", "c", "f", "h"]
    assert line(figure.axes[2], SERIES[1])[:, 1] == pytest.approx(100 * probability[1, :, 5])
    assert named(figure) == ["tags", "sets", "chance"]
    save(figure, tmp_path)
    assert correlation.labels_over_frequencies(np.array([0.1, 0.0])) == [0]


def test_weights_are_shown_with_their_units_sorted_in_each_half(tmp_path: Path) -> None:
    W_y = np.zeros((3, 8), dtype=np.float32)
    W_y[[2, 0, 1, 0], [0, 1, 2, 3]] = [1.0, 2.0, 3.0, 4.0]  # image tower
    W_y[[1, 1, 0, 2], [4, 5, 6, 7]] = [1.0, 2.0, 3.0, -4.0]  # neighbourhood tower
    figure = learned_weights.draw_weights(W_y, ["$cat", "dog", "bird"], ["image", "neighborhood"])
    shown = np.asarray(figure.axes[0].images[0].get_array())
    assert shown[:, :4].tolist() == [[4, 2, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1]]
    assert sorted(map(tuple, shown[:, 4:].T)) == sorted(map(tuple, W_y[:, 4:].T))
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["$cat", "dog", "bird"]
    save(figure, tmp_path)
    save(learned_weights.draw_weights(np.zeros((2, 4)), ["a", "b"], ["image", "neighborhood"]), tmp_path)
    save(
        learned_weights.draw_weights(
            np.ones((200, 4)), [str(i) for i in range(200)], ["image", "tags", "$sets", "groups"]
        ),
        tmp_path,
    )


BEFORE, AFTER = np.array([0.2, 0.9, 0.5, np.nan, 1.0]), np.array([0.6, 0.95, 0.4, np.nan, 1.0])
NAMES = ["$a_", "food", "map", "never", "sky"]


def points(figure: Figure, color: str) -> list[list[float]]:
    found = [c for c in figure.axes[0].collections if len(c.get_facecolor()) and to_hex(c.get_facecolor()[0]) == color]
    return np.asarray(found[0].get_offsets()).round(6).tolist()


def test_gains_and_losses_have_their_colours_and_names(tmp_path: Path) -> None:
    figure = per_label.ap_scatter(BEFORE, AFTER, NAMES)
    assert points(figure, RIGHT) == [[20, 60], [90, 95]]
    assert points(figure, WRONG) == [[50, 40]]
    assert points(figure, MUTED) == [[100, 100]]
    assert {text.get_text(): to_hex(text.get_color()) for text in figure.axes[0].texts} == {
        "$a_": RIGHT,
        "food": RIGHT,
        "map": WRONG,
    }
    save(figure, tmp_path)
    figure = per_label.gain_by_frequency(AFTER - BEFORE, np.array([50, 3000, 70, 0, 68000]), NAMES)
    assert points(figure, RIGHT) == [[50, 40], [3000, 5]]
    assert figure.axes[0].get_xscale() == "log"
    save(figure, tmp_path)
