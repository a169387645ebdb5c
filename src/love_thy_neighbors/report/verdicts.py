"""The verdict on a claim: confirmed if the mean paired difference is above zero and its interval excludes zero."""

from collections.abc import Sequence

from love_thy_neighbors.report.document import Gap, Verdict
from love_thy_neighbors.report.estimates import Difference

Measured = Difference | Gap
_WEAKEST_FIRST = (Verdict.MISSING, Verdict.NOT_CONFIRMED, Verdict.ONE_SPLIT, Verdict.LEANING, Verdict.CONFIRMED)


def above_zero(difference: Measured, complete: bool = True) -> Verdict:
    """The verdict on "the difference is above zero"; ``complete``: all planned runs have finished.

    >>> above_zero(Difference(1.0, 0.2, 1.8, 5, 5)), above_zero(Difference(1.0, -0.2, 2.2, 5, 4))
    (<Verdict.CONFIRMED: 'confirmed'>, <Verdict.LEANING: 'leaning'>)
    """
    if isinstance(difference, Gap) or not complete:
        return Verdict.MISSING
    if difference.mean <= 0:
        return Verdict.NOT_CONFIRMED
    if difference.low is None:
        return Verdict.ONE_SPLIT
    return Verdict.CONFIRMED if difference.low > 0 else Verdict.LEANING


def no_change(difference: Measured, complete: bool = True) -> Verdict:
    """The verdict on "no significant change". An interval with zero in it is consistent, which proves nothing."""
    if isinstance(difference, Gap) or not complete:
        return Verdict.MISSING
    if difference.low is None or difference.high is None:
        return Verdict.ONE_SPLIT
    return Verdict.CONSISTENT if difference.low <= 0 <= difference.high else Verdict.NOT_CONFIRMED


def all_of(verdicts: Sequence[Verdict]) -> Verdict:
    """The weakest verdict, for a claim that needs all of them; missing if there are none."""
    return min(verdicts, key=_WEAKEST_FIRST.index, default=Verdict.MISSING)
