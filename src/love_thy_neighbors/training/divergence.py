"""Training that diverges: steps so large that the loss grows instead of falling."""

import math
from collections.abc import Sequence
from typing import Any

GROWTH = 1000


def divergence(losses: Sequence[float], labels: int) -> dict[str, Any] | None:
    """The value of ``divergence`` in results.json, or None for a training that did not diverge.

    It diverged if an epoch's loss is not finite, or over 1,000 times the first epoch's or that of a model whose scores
    are all zero, |Y| log 2 (section 3.4). The latter counts because the first epoch may be the one that diverges.

    losses: mean training loss of each epoch. labels: |Y|. The value names the ``epoch`` with the largest loss, from 0,
    its ``loss`` (None if it is not finite), and ``start``, the lower of the two losses that it is compared with.

    >>> divergence([40.0, 9.0, 7.0], labels=60) is None
    True
    >>> divergence([40.0, 3e9, 2e7], labels=60)
    {'epoch': 1, 'loss': 3000000000.0, 'start': 40.0}
    """
    finite = [loss if math.isfinite(loss) else math.inf for loss in losses]
    start = min([labels * math.log(2), *finite[:1]])
    largest = max(finite, default=0.0)
    if largest <= GROWTH * start:
        return None
    return {"epoch": finite.index(largest), "loss": None if math.isinf(largest) else largest, "start": start}
