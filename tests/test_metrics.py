"""The metrics of section 4.2 against scikit-learn, torchmetrics and small examples, and with two processes."""

import doctest
import math
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, precision_recall_fscore_support
from torch import Tensor
from torchmetrics.classification import MultilabelAveragePrecision

from love_thy_neighbors import metrics
from love_thy_neighbors.metrics import (
    AnnotationMetrics,
    annotation_metrics,
    average_precision_per_image,
    average_precision_per_label,
    precision_recall_at_n,
)

PERCENT = ("mAP_L", "mAP_I", "Prec_L", "Rec_L", "Prec_I", "Rec_I", "Prec_O", "Rec_O")


@st.composite
def annotations(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Scores with many ties, and labels; images without labels and labels without images are common."""
    shape = draw(st.integers(1, 9)), draw(st.integers(1, 7))
    scores = draw(arrays(np.float32, shape, elements=st.integers(-3, 3).map(float)))
    if draw(st.booleans()):  # and scores without ties
        scores = scores + np.random.default_rng(draw(st.integers(0, 9))).random(shape, dtype=np.float32) / 2
    return torch.from_numpy(scores), torch.from_numpy(draw(arrays(np.int64, shape, elements=st.integers(0, 1))))


def made_up(images: int, labels: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    truth = (torch.rand(images, labels, generator=generator) < 0.2).long()
    return (truth + torch.randn(images, labels, generator=generator)).mul(4).round() / 4, truth


def assert_same(ours: dict[str, float], theirs: dict[str, float]) -> None:
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert value == pytest.approx(theirs[key], abs=1e-9, nan_ok=True), key


@settings(max_examples=200, deadline=None)
@given(annotations())
def test_average_precision_is_that_of_scikit_learn(annotated: tuple[Tensor, Tensor]) -> None:
    scores, labels = annotated
    per_label, per_image = average_precision_per_label(scores, labels), average_precision_per_image(scores, labels)
    assert per_label.dtype == per_image.dtype == torch.float64
    for ours, s, y in ((per_label, scores.T, labels.T), (per_image, scores, labels)):
        expected = [average_precision_score(b, a) if b.any() else math.nan for a, b in zip(s, y, strict=True)]
        np.testing.assert_allclose(ours.numpy(), expected, atol=1e-12)


def test_average_precision_is_that_of_torchmetrics() -> None:
    scores, labels = made_up(300, 12)
    probabilities = scores.sigmoid()  # torchmetrics takes the sigmoid of anything else
    theirs = MultilabelAveragePrecision(num_labels=12, average="none")(probabilities, labels)
    ours = average_precision_per_label(probabilities, labels)
    torch.testing.assert_close(ours.float(), theirs, atol=1e-5, rtol=0)


def test_average_precision_by_hand() -> None:
    # Label 0: ranks 1 and 3 of 4. Label 1: a positive tied with a negative at the top, then a positive: 1/2, 2/3.
    # Label 2: never true. Label 3: all tied, one true.
    scores = torch.tensor([[9.0, 5, 1, 7], [8, 5, 2, 7], [7, 4, 3, 7], [6, 3, 4, 7]])
    labels = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1], [0, 0, 0, 0]])
    expected = torch.tensor([(1 + 2 / 3) / 2, (1 / 2 + 2 / 3) / 2, math.nan, 1 / 4], dtype=torch.float64)
    torch.testing.assert_close(average_precision_per_label(scores, labels), expected, equal_nan=True)
    torch.testing.assert_close(average_precision_per_image(scores.T, labels.T), expected, equal_nan=True)


@settings(max_examples=100, deadline=None)
@given(annotations(), st.integers(1, 9))
def test_precision_and_recall_are_those_of_scikit_learn(annotated: tuple[Tensor, Tensor], n: int) -> None:
    scores, labels = annotated
    order = np.argsort(-scores.numpy(), axis=1, kind="stable")[:, :n]  # ties to the lower label
    assigned = np.zeros(labels.shape, dtype=int)
    np.put_along_axis(assigned, order, 1, axis=1)
    truth, ours = labels.numpy(), precision_recall_at_n(scores, labels, n)
    for suffix, given_labels, true_labels in (("L", assigned, truth), ("I", assigned.T, truth.T)):
        # One row and column more, never true or assigned: scikit-learn takes a single column for a binary problem.
        a, t = (np.pad(x, ((0, 1), (0, 1))) for x in (given_labels, true_labels))
        precision, recall, _, support = precision_recall_fscore_support(t, a, average=None, zero_division=0)
        for key, values in (("Prec", precision), ("Rec", recall)):
            expected = values[support > 0].mean() if support.any() else math.nan
            assert ours[f"{key}_{suffix}"] == pytest.approx(expected, nan_ok=True)
    if truth.any():
        assert ours["Prec_O"] == pytest.approx((assigned * truth).sum() / assigned.sum())
        assert ours["Rec_O"] == pytest.approx((assigned * truth).sum() / truth.sum())


def test_precision_and_recall_by_hand() -> None:
    # n = 2. Image 0 ties everywhere and is given labels 0 and 1; image 1 labels 1 and 2; image 2 has no label.
    scores = torch.tensor([[1.0, 1, 1, 1], [0, 3, 2, 1], [4, 3, 0, 0]])
    labels = torch.tensor([[1, 0, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]])
    assert_same(
        precision_recall_at_n(scores, labels, n=2),
        {
            "Prec_L": (1 / 2 + 1 / 3 + 1 / 1 + 0) / 4,  # label 3 is never assigned
            "Rec_L": (1 + 1 + 1 + 0) / 4,
            "Prec_I": (1 / 2 + 2 / 2) / 2,
            "Rec_I": (1 / 2 + 2 / 2) / 2,
            "Prec_O": 3 / 6,
            "Rec_O": 3 / 4,
        },
    )


def test_zero_and_minus_zero_tie() -> None:
    scores, labels = torch.tensor([[-0.0, 0.0, -1.0]]), torch.tensor([[1, 0, 0]])
    assert precision_recall_at_n(scores, labels, n=1)["Prec_I"] == 1.0
    assert average_precision_per_image(scores, labels).tolist() == [0.5]


@settings(max_examples=100, deadline=None)
@given(annotations(), st.integers(1, 8))
def test_labels_are_assigned_in_the_order_of_a_stable_sort(annotated: tuple[Tensor, Tensor], n: int) -> None:
    scores, _ = annotated
    best = scores.sort(dim=1, descending=True, stable=True).indices[:, :n]
    expected = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, best, True)
    assert torch.equal(metrics._assigned(scores, n, metrics._sorted_rows(scores)), expected)


@settings(max_examples=100, deadline=None)
@given(annotations())
def test_bisection_equals_searchsorted(annotated: tuple[Tensor, Tensor]) -> None:
    ascending = metrics._sorted_rows(annotated[0])
    assert torch.equal(ascending, annotated[0].sort(dim=1).values)
    row = torch.arange(len(ascending)).repeat_interleave(9)
    value = torch.arange(-4, 5).float().repeat(len(ascending))
    expected = torch.searchsorted(ascending, value.view(len(ascending), 9)).flatten()
    assert torch.equal(metrics._count_below(value, row, ascending), expected)


def test_n_larger_than_the_number_of_labels() -> None:
    result = precision_recall_at_n(torch.tensor([[1.0, 2.0]]), torch.tensor([[1, 0]]), n=3)
    assert (result["Prec_I"], result["Rec_I"]) == (0.5, 1.0)


def test_labels_and_images_left_out_are_counted() -> None:
    scores = torch.tensor([[3.0, 2, 1], [3, 2, 1], [1, 2, 3]])
    result = annotation_metrics(scores, torch.tensor([[1, 0, 0], [0, 0, 0], [0, 0, 0]]))
    assert (result["labels_without_positives"], result["images_without_labels"]) == (2, 2)
    assert result["mAP_I"] == 100.0
    assert result["mAP_L"] == 50.0  # tied with the second image
    assert set(result) == {*PERCENT, "labels_without_positives", "images_without_labels"}


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (2, 3)])
def test_empty_input_gives_nan(shape: tuple[int, int]) -> None:
    result = annotation_metrics(torch.zeros(shape), torch.zeros(shape, dtype=torch.long))
    assert math.isnan(result["mAP_L"])
    assert math.isnan(result["Rec_O"])
    assert (result["labels_without_positives"], result["images_without_labels"]) == (shape[1], shape[0])


@settings(max_examples=100, deadline=None)
@given(annotations(), st.randoms(use_true_random=False))
def test_only_ranks_matter(annotated: tuple[Tensor, Tensor], random) -> None:
    scores, labels = annotated
    expected = annotation_metrics(scores, labels)
    order = torch.tensor(random.sample(range(len(scores)), len(scores)))
    assert_same(annotation_metrics(scores[order], labels[order]), expected)
    assert_same(annotation_metrics(scores.double().exp() * 7 - 2, labels.bool()), expected)


@settings(max_examples=100, deadline=None)
@given(annotations())
def test_perfect_scores_give_100_and_every_value_lies_between_0_and_100(annotated: tuple[Tensor, Tensor]) -> None:
    scores, labels = annotated
    for result in (annotation_metrics(scores, labels), annotation_metrics(labels.float(), labels, n=labels.shape[1])):
        assert all(0 <= result[key] <= 100 for key in PERCENT if not math.isnan(result[key]))
    if labels.any():
        assert (result["mAP_L"], result["mAP_I"]) == (100.0, 100.0)
        assert (result["Rec_L"], result["Rec_I"], result["Rec_O"]) == (100.0, 100.0, 100.0)


def test_overall_recall_over_precision_is_the_same_for_all_scores() -> None:
    # Why the paper's Rec_I and Prec_I cannot be overall values.
    scores, labels = made_up(200, 10)
    for ranking in (scores, -scores):
        result = annotation_metrics(ranking, labels)
        assert result["Rec_O"] / result["Prec_O"] == pytest.approx(3 / labels.sum(dim=1).double().mean().item())


@pytest.mark.parametrize(
    "function",
    [average_precision_per_label, average_precision_per_image, precision_recall_at_n, annotation_metrics],
)
def test_wrong_scores(function) -> None:
    scores, labels = torch.tensor([[0.5, math.nan], [0.1, 0.2]]), torch.tensor([[1, 0], [0, 1]])
    with pytest.raises(ValueError, match="scores of 1 of 2 images are NaN"):
        function(scores, labels)
    with pytest.raises(ValueError, match=r"scores \(2, 2\) and labels \(1, 2\)"):
        function(scores, labels[:1])


def test_n_below_1() -> None:
    with pytest.raises(ValueError, match="n = 0"):
        precision_recall_at_n(torch.zeros(1, 2), torch.zeros(1, 2), n=0)


def test_the_metric_counts_every_image_once_and_in_order() -> None:
    scores, labels = made_up(50, 6)
    metric, index = AnnotationMetrics(num_labels=6), torch.arange(50) * 3 + 100
    order = torch.randperm(50, generator=torch.Generator().manual_seed(1))
    for batch in torch.cat((order, order[:7])).split(8):
        metric.update(scores[batch], labels[batch], index[batch])
    assert_same(metric.compute(), annotation_metrics(scores, labels))
    rows, gathered = metric.gathered()
    torch.testing.assert_close(rows, index)
    torch.testing.assert_close(gathered, scores)

    metric.reset()
    metric.update(scores[:5], labels[:5], index[:5])
    assert_same(metric.compute(), annotation_metrics(scores[:5], labels[:5]))


def test_the_metric_refuses_a_batch_of_the_wrong_shape() -> None:
    with pytest.raises(ValueError, match=r"must both be \(2, 3\)"):
        AnnotationMetrics(num_labels=3).update(torch.zeros(2, 4), torch.zeros(2, 4), torch.arange(2))


def test_the_metric_before_any_batch_is_nan() -> None:
    metric = AnnotationMetrics(num_labels=3)
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert math.isnan(metric.compute()["mAP_L"])
    assert metric.gathered()[1].shape == (0, 3)


# Batches of image indices for each of two processes: what one sees and the other not, and what both see as padding.
SHARDS = {
    "uneven": [[[0, 2, 4, 6], [8, 10]], [[1, 3, 5], [7], [9]]],
    "padded": [[[0, 2, 4], [6, 8, 10]], [[1, 3, 5], [7, 9, 0]]],
    "one process without a batch": [[[4, 3, 2, 1, 0], [10, 9, 8, 7, 6, 5]], []],
    "the first process without a batch": [[], [list(range(11))]],
    "no batch at all": [[], []],
}


def _evaluate_shard(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    scores, labels = made_up(11, 5)
    results = {}
    for name, shards in SHARDS.items():
        metric = AnnotationMetrics(num_labels=5)
        for _ in range(2):  # a second epoch, after reset
            metric.reset()
            for batch in shards[rank]:
                metric.update(scores[batch], labels[batch], torch.tensor(batch))
            results[name] = (metric.compute(), *metric.gathered(), len(metric.index))
    torch.save(results, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_give_the_value_of_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(_evaluate_shard, args=(port, str(tmp_path)), nprocs=2)
    scores, labels = made_up(11, 5)
    for rank in range(2):
        results = torch.load(tmp_path / f"{rank}.pt")
        for name, shards in SHARDS.items():
            result, index, gathered, batches = results[name]
            images = 11 if any(shards) else 0
            assert_same(result, annotation_metrics(scores[:images], labels[:images]))
            torch.testing.assert_close(index, torch.arange(images))
            torch.testing.assert_close(gathered, scores[:images])
            assert batches == max(1, len(shards[rank]))  # what was gathered does not stay in the process


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(metrics).failed == 0
