"""A baseline without training of its own: a trained model's scores, mixed with the predicted scores of neighbours."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import embedding_bag

SCORES, PROBABILITIES = "scores", "probabilities"  # what may be mixed


class Neighbors(NamedTuple):
    """Who the neighbours of n images are. Shapes: rows [n] row numbers of the images; others [n, K] row numbers of
    their neighbours, -1 for none; similarities [n, K], 0 for none."""

    rows: Tensor
    others: Tensor
    similarities: Tensor


class Smoothed(nn.Module):
    """Scores of a trained model, mixed with those that it gives to the neighbours. Not in the paper.

        s_0(x)     = what the trained model says of x
        s_{k+1}(x) = (1 - w) s_0(x) + w * sum_i s_r(x, z_i) s_k(z_i) / sum_i s_r(x, z_i)

    over the neighbours z_i by the metadata types r, with s_r the Jaccard similarity (1 - Eq. 3). The result is s_K; an
    image without neighbours keeps s_0. No label of a neighbour is read, only what the model predicts for it.

    With ``mixed`` 'probabilities', s_0 is the sigmoid of the model's scores, and the result is log(s_K / (1 - s_K)).

    With ``pool=all`` training images are neighbours, too. Their scores are over-confident, because the model was fitted
    to their labels: on the embedded collection those of `VisualMLP` have an mAP_L of 99.9 % (66 % on validation
    images). So what is mixed in is then almost the labels of training images. Validation images have such neighbours
    as well, so weight and types are chosen under the conditions of the test.

    Args:
        types: the metadata types r.
        weight: w, from 0 (the model alone) to 1 (neighbours alone).
        hops: K, how often scores are mixed.
        mixed: 'scores' or 'probabilities'.
    """

    def __init__(self, types: Sequence[str], weight: float, hops: int = 1, mixed: str = SCORES) -> None:
        super().__init__()
        self.types, self.weight, self.hops, self.mixed = list(types), weight, hops, mixed

    def forward(self, scores: Tensor, neighbors: Neighbors) -> Tensor:
        """Shapes: scores [N, L] of all images; ``neighbors`` of n of them -> [N, L]; the others keep their scores."""
        averages = repeated_averages(as_mixed(scores, self.mixed), neighbors, self.hops)
        return as_scores(combined(averages, self.weight), self.mixed).to(scores.dtype)


def as_mixed(scores: Tensor, mixed: str) -> Tensor:
    """s_0 as float64, in which large scores keep different probabilities."""
    return scores.double() if mixed == SCORES else scores.double().sigmoid()


def as_scores(values: Tensor, mixed: str) -> Tensor:
    """The inverse of `as_mixed`."""
    return values if mixed == SCORES else values.logit()


def repeated_averages(values: Tensor, neighbors: Neighbors, hops: int) -> list[Tensor]:
    """[s, A s, A A s, ...], ``hops`` products with the matrix A of the neighbours' weights s_r / sum s_r.

    The row of an image without neighbours has 1 for the image itself.

    Shapes: values [N, L] -> 1 + hops times [N, L].
    """
    total = neighbors.similarities.double().sum(dim=1, keepdim=True)
    has_any = total.squeeze(1) > 0
    rows, others = neighbors.rows[has_any], neighbors.others[has_any].clamp(min=0).long()
    weights = neighbors.similarities[has_any].to(values.dtype) / total[has_any].to(values.dtype)
    found = [values]
    for _ in range(hops):
        mean = found[-1].clone()
        mean[rows] = embedding_bag(others, found[-1], mode="sum", per_sample_weights=weights)
        found.append(mean)
    return found


def combined(averages: Sequence[Tensor], weight: float) -> Tensor:
    """s_K from s_0, A s_0, ..., A^K s_0: the recursion of `Smoothed`, multiplied out.

    s_K = (1 - w) * sum over k < K of w^k A^k s_0, + w^K A^K s_0

    So the averages are computed once for all weights that are tried.
    """
    hops = len(averages) - 1
    result = averages[hops] * weight**hops
    for k in range(hops):
        result = result + (1 - weight) * weight**k * averages[k]
    return result
