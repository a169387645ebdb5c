"""Pairs a run with its own baseline: the run that the same command made to compare with, never another one."""

from collections import defaultdict
from collections.abc import Sequence

from love_thy_neighbors.report.collected import Result
from love_thy_neighbors.report.estimates import Difference, paired_difference
from love_thy_neighbors.report.matching import test_per_train


class Baselines:
    """Finds the baseline of a run among all ``results``, by the folder name that the run recorded."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._named: dict[str, list[Result]] = defaultdict(list)
        for one in results:
            if one.measure == "annotation":
                self._named[one.folder.name].append(one)

    def of(self, run: Result) -> Result | None:
        """The baseline of a run; None if it recorded none, or if that one has not finished.

        Folders with the same name may lie in several places; the one beside the run comes first, then the newest.
        """
        found = self._named.get(run.baseline_run or "", [])
        return max(found, key=lambda one: (one.folder.parent == run.folder.parent, one.changed), default=None)

    def difference(self, runs: Sequence[Result], metric: str = "mAP_L") -> Difference | None:
        """The paired difference of runs of several splits to their own baselines; None if none of them has one."""
        pairs = [(one, baseline) for one in runs if (baseline := self.of(one)) is not None]
        ours = {one.split: one.figures[metric] for one, _ in pairs}
        theirs = {one.split: baseline.figures[metric] for one, baseline in pairs}
        return paired_difference(ours, theirs, test_per_train(runs[0].config)) if pairs else None
