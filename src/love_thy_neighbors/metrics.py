"""Average precision, and precision and recall at n (paper, section 4.2).

Everything is exact and vectorised over images and labels, on any device. ``scores`` [N, L] are real numbers, larger
for more likely labels; ``labels`` [N, L] are 0 or 1. Tied scores get the worst rank, so a constant score gives the
frequency of the label.

The paper's ``Prec_I`` and ``Rec_I`` are means of per-image values: if they were overall values, their ratio would be
n / (mean labels per image) for every method, but in Table 2 it varies. The overall values, which Gong et al. report,
are ``Prec_O`` and ``Rec_O``.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric


def average_precision_per_label(scores: Tensor, labels: Tensor) -> Tensor:
    """Average precision of each label's ranking of the images, AP_l; mAP_L is its mean (section 4.2).

        AP_l = 1 / |P_l| * sum over x in P_l of |{y in P_l: s_l(y) >= s_l(x)}| / |{y: s_l(y) >= s_l(x)}|

    with P_l the images that have the label.

    Shapes: ``scores`` and ``labels`` [N, L]; returns [L], float64, fractions of 1, NaN where no image has the label.
    Raises `ValueError` for shapes that differ and for scores that are NaN.

    >>> scores = torch.tensor([[0.9, 0.5], [0.8, 0.5], [0.7, 0.5], [0.6, 0.5]])
    >>> labels = torch.tensor([[1, 1], [0, 0], [1, 0], [0, 0]])
    >>> average_precision_per_label(scores, labels)  # (1/1 + 2/3) / 2, and 1/4 since all four tie
    tensor([0.8333, 0.2500], dtype=torch.float64)
    """
    _check(scores, labels)
    scores = scores.t().contiguous()
    return _average_precision(scores, labels.t(), _sorted_rows(scores))


def average_precision_per_image(scores: Tensor, labels: Tensor) -> Tensor:
    """Average precision of each image's ranking of the labels, AP_x; mAP_I is its mean (section 4.2).

    The equation is that of `average_precision_per_label`, with images and labels exchanged.

    Shapes: ``scores`` and ``labels`` [N, L]; returns [N], float64, fractions of 1, NaN where the image has no label.
    Raises `ValueError` for shapes that differ and for scores that are NaN.

    >>> scores = torch.tensor([[0.9, 0.5, 0.1], [0.2, 0.8, 0.4]])
    >>> average_precision_per_image(scores, torch.tensor([[0, 1, 0], [0, 1, 1]]))
    tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    _check(scores, labels)
    return _average_precision(scores, labels, _sorted_rows(scores))


def precision_recall_at_n(scores: Tensor, labels: Tensor, n: int = 3) -> dict[str, float]:
    """Precision and recall when every image gets its n labels of the highest scores (section 4.2, n = 3 in Table 2).

    With A the assigned and T the true image-label pairs, A_l and T_l those of a label, A_x and T_x those of an image:

        Prec_L, Rec_L = mean over labels with T_l > 0 of |A_l & T_l| / |A_l|  and  |A_l & T_l| / |T_l|
        Prec_I, Rec_I = mean over images with T_x > 0 of |A_x & T_x| / |A_x|  and  |A_x & T_x| / |T_x|
        Prec_O, Rec_O = |A & T| / |A|  and  |A & T| / |T|

    A label that is never assigned has precision 0. For tied scores, the label with the lower index is assigned. If n is
    larger than L, all L labels are assigned.

    Shapes: ``scores`` and ``labels`` [N, L]. Returns fractions of 1, NaN for a mean over nothing.
    Raises `ValueError` for n below 1, shapes that differ and scores that are NaN.

    >>> scores = torch.tensor([[0.9, 0.8, 0.1], [0.2, 0.7, 0.6]])
    >>> labels = torch.tensor([[1, 0, 0], [1, 1, 0]])
    >>> {key: round(value, 3) for key, value in precision_recall_at_n(scores, labels, n=1).items()}
    {'Prec_L': 1.0, 'Rec_L': 0.75, 'Prec_I': 1.0, 'Rec_I': 0.75, 'Prec_O': 1.0, 'Rec_O': 0.667}
    """
    _check(scores, labels)
    return _precision_recall(scores, labels, n, _sorted_rows(scores))


def annotation_metrics(scores: Tensor, labels: Tensor, n: int = 3) -> dict[str, float]:
    """The columns of Table 2 and the overall values in percent (section 4.2).

    Shapes: ``scores`` and ``labels`` [N, L]. Keys: ``mAP_L mAP_I Prec_L Rec_L Prec_I Rec_I Prec_O Rec_O``, and the
    counts ``labels_without_positives`` and ``images_without_labels``, which the means leave out.
    Raises `ValueError` for n below 1, shapes that differ and scores that are NaN.

    >>> scores = torch.tensor([[0.9, 0.8, 0.1], [0.2, 0.7, 0.6]])
    >>> result = annotation_metrics(scores, torch.tensor([[1, 0, 0], [1, 1, 0]]), n=1)
    >>> round(result["mAP_L"], 2), round(result["mAP_I"], 2), result["labels_without_positives"]
    (75.0, 91.67, 1)
    """
    _check(scores, labels)
    per_label = average_precision_per_label(scores, labels)
    ascending = _sorted_rows(scores)  # one sort serves both per-image metrics
    per_image = _average_precision(scores, labels, ascending)
    fractions = {"mAP_L": per_label.nanmean().item(), "mAP_I": per_image.nanmean().item()}
    fractions |= _precision_recall(scores, labels, n, ascending)
    percent = {key: 100 * value for key, value in fractions.items()}
    return percent | {
        "labels_without_positives": int(per_label.isnan().sum()),
        "images_without_labels": int(per_image.isnan().sum()),
    }


class AnnotationMetrics(Metric):
    """`annotation_metrics` over all batches of an epoch and all processes of a distributed run.

    A distributed sampler may give an image to two processes, so every row comes with the index of its image and counts
    once. Processes may get different numbers of batches, or none.

    ``num_labels`` is L, because a process without a batch must also send an array of the right shape.

    >>> metric = AnnotationMetrics(num_labels=2, n=1)
    >>> scores, labels = torch.tensor([[0.9, 0.1], [0.3, 0.6]]), torch.tensor([[1, 0], [1, 0]])
    >>> metric.update(scores, labels, index=torch.tensor([7, 4]))
    >>> metric.update(scores[:1], labels[:1], index=torch.tensor([7]))  # padding: no effect
    >>> metric.compute()["Prec_O"]
    50.0
    >>> metric.gathered()[0]
    tensor([4, 7])
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    scores: list[Tensor]
    labels: list[Tensor]
    index: list[Tensor]

    def __init__(self, num_labels: int, n: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_labels = num_labels
        self.n = n
        for state in ("scores", "labels", "index"):
            self.add_state(state, default=[], dist_reduce_fx="cat")

    def update(self, scores: Tensor, labels: Tensor, index: Tensor) -> None:
        """Add a batch. Shapes: ``scores`` and ``labels`` [B, L], ``index`` [B] row numbers of the collection."""
        expected = (len(index), self.num_labels)
        if scores.shape != expected or labels.shape != expected:
            raise ValueError(
                f"scores {tuple(scores.shape)} and labels {tuple(labels.shape)} must both be {expected}: "
                "one row per index, one column per label."
            )
        self._append(scores, labels, index)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather the states of all processes.

        For a process without a batch, torchmetrics would send a tensor of the wrong shape, and the run would crash or
        hang. So such a process first adds an empty batch.
        """
        self._append_empty_batch_if_none()
        super().sync(*args, **kwargs)

    def compute(self) -> dict[str, float]:
        """`annotation_metrics` of all images, each once; the same in every process."""
        _, scores, labels = self._images_once()
        return annotation_metrics(scores, labels, self.n)

    def gathered(self) -> tuple[Tensor, Tensor]:
        """Row numbers [N], ascending, and their scores [N, L], gathered from all processes.

        Every process must call it, even if only one writes the scores.
        """
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            index, scores, _ = self._images_once()
        return index, scores

    def _append(self, scores: Tensor, labels: Tensor, index: Tensor) -> None:
        # The same types in every process, because a receiver reads the data with its own type.
        self.scores.append(scores.detach().to(torch.float32))
        self.labels.append(labels.detach().to(torch.uint8))
        self.index.append(index.detach().to(torch.int64))

    def _append_empty_batch_if_none(self) -> None:
        if isinstance(self.index, list) and not self.index:
            empty = torch.empty(0, self.num_labels, device=self.device)
            self._append(empty, empty, empty[:, 0])

    def _images_once(self) -> tuple[Tensor, Tensor, Tensor]:
        self._append_empty_batch_if_none()
        index, scores, labels = (
            torch.cat(state) if isinstance(state, list) else state for state in (self.index, self.scores, self.labels)
        )
        if index.device.type == "mps":  # has no float64
            index, scores, labels = index.cpu(), scores.cpu(), labels.cpu()
        index, order = index.sort(stable=True)
        first = torch.ones_like(index, dtype=torch.bool)
        first[1:] = index[1:] != index[:-1]
        kept = order[first]
        return index[first], scores[kept], labels[kept]


def _check(scores: Tensor, labels: Tensor) -> None:
    if scores.ndim != 2 or scores.shape != labels.shape:
        raise ValueError(f"scores {tuple(scores.shape)} and labels {tuple(labels.shape)} must have one shape [N, L].")
    if scores.isnan().any():
        rows = int(scores.isnan().any(dim=1).sum())
        raise ValueError(
            f"The scores of {rows} of {len(scores)} images are NaN: the model has diverged, or its features hold NaN."
        )


def _sorted_rows(scores: Tensor) -> Tensor:
    """Each row sorted in ascending order.

    The metrics need no argsort, and sorting alone is many times faster, on a CPU with NumPy's vector instructions.
    """
    if scores.device.type == "cpu" and scores.dtype in (torch.float32, torch.float64):
        return torch.from_numpy(np.sort(scores.detach().numpy(), axis=1))
    return scores.sort(dim=1).values


def _average_precision(scores: Tensor, labels: Tensor, ascending: Tensor) -> Tensor:
    """Average precision of each row. Shapes: all [R, K], ``ascending`` the rows of ``scores`` sorted; returns [R].

    The precision at a positive is the number of positives with at least its score, divided by the number of all with at
    least its score; so ties get the worst rank. Only the positives are looked up, which are few.
    """
    R, K = scores.shape
    row, column = labels.nonzero(as_tuple=True)
    if len(row) == 0:
        return torch.full((R,), torch.nan, dtype=torch.float64, device=scores.device)
    value = scores[row, column]
    # Two stable sorts, by value and by row, put each row's positives in ascending order.
    order = value.argsort()
    order = order[row[order].argsort(stable=True)]
    row, value = row[order], value[order]
    count = torch.bincount(row, minlength=R)
    end = count.cumsum(0)[row]  # where the positives of the row end
    place = torch.arange(len(row), device=row.device)
    first = torch.ones_like(row, dtype=torch.bool)  # of tied positives
    first[1:] = (value[1:] != value[:-1]) | (row[1:] != row[:-1])
    first_place = torch.where(first, place, 0).cummax(0).values
    precision = (end - first_place).double() / (K - _count_below(value, row, ascending))
    # No atomic additions, so a GPU gives the same result in every run. A row without positives gives 0 / 0 = NaN.
    return torch.segment_reduce(precision, "sum", lengths=count, initial=0) / count


def _count_below(value: Tensor, row: Tensor, ascending: Tensor) -> Tensor:
    """How many entries of ``ascending[row]`` are smaller than ``value``, by bisection for all pairs at once.

    Shapes: ``value`` and ``row`` [P], ``ascending`` [R, K] with sorted rows; returns [P].
    """
    K = ascending.shape[1]
    flat, start = ascending.flatten(), row * K
    below = torch.zeros_like(row)
    for bit in reversed(range(K.bit_length())):
        more = below + (1 << bit)
        smaller = flat[start + more.clamp(max=K) - 1] < value
        below = torch.where((more <= K) & smaller, more, below)
    return below


def _assigned(scores: Tensor, n: int, ascending: Tensor) -> Tensor:
    """Boolean [N, L]: the n labels with the highest scores of each image; ties go to the lower index."""
    K = scores.shape[1]
    if n >= K:
        return torch.ones_like(scores, dtype=torch.bool)
    least = ascending[:, K - n, None]
    above, tied = scores > least, scores == least
    return above | (tied & (tied.cumsum(1, dtype=torch.int32) <= n - above.sum(1, keepdim=True)))


def _precision_recall(scores: Tensor, labels: Tensor, n: int, ascending: Tensor) -> dict[str, float]:
    """`precision_recall_at_n`; ``ascending`` [N, L] are the rows of ``scores`` sorted."""
    if n < 1:
        raise ValueError(f"n = {n}: at least one label must be assigned to every image.")
    true = labels != 0
    assigned = _assigned(scores, n, ascending)
    hit = assigned & true
    # Per-label, per-image and overall values are the same fractions, summed over images, labels, or both.
    result = {}
    for suffix, dims in (("L", (0,)), ("I", (1,)), ("O", (0, 1))):
        hits, given, truth = (pairs.sum(dim=dims).double() for pairs in (hit, assigned, true))
        counted = truth > 0
        result[f"Prec_{suffix}"] = (hits / given.clamp(min=1))[counted].mean().item()
        result[f"Rec_{suffix}"] = (hits / truth)[counted].mean().item()
    return result
