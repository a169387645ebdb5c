"""Mean and standard deviation over splits of finished runs: python -m love_thy_neighbors.summary [FOLDER]

Prints one Markdown table a collection: a row for every setting, its splits averaged, beside the paired difference to
the visual-only runs on the same images, where there are any. FOLDER (default logs/runs) is searched for results.json.
"""

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from love_thy_neighbors.tables import PAPER_METRICS

Results = dict[str, Any]
BASELINE = "visual_only"


def find_results(folder: Path) -> list[Results]:
    """Every result of this project below ``folder``, in the order of their paths; other such files are told of."""
    found = []
    for path in sorted(folder.rglob("results.json")):
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
            describe(results), results["collection"], results["split"], results["test"]["mAP_L"]
        except (ValueError, KeyError, TypeError, OSError) as error:
            print(f"{path}: not a result of train.py ({error!r}), left out.", file=sys.stderr)
            continue
        found.append(results)
    return found


def comparable(run: Results) -> str:
    """What two runs must share for their difference to mean anything: data, split and what is measured."""
    keys = ("data", "split", "split_by", "keep_unlabelled", "seed", "top_n")
    return json.dumps({key: run["config"].get(key) for key in keys}, sort_keys=True)


def by_setting(results: list[Results]) -> dict[str, dict[int, Results]]:
    """Runs that differ in nothing but their split, by a key that names the rest."""
    groups: dict[str, dict[int, Results]] = defaultdict(dict)
    for run in results:
        rest = {key: value for key, value in run["config"].items() if key != "split"}
        groups[json.dumps(rest, sort_keys=True)][run["split"]] = run
    return dict(groups)


def mean_and_deviation(values: list[float]) -> str:
    """Mean ± sample standard deviation, 'n/a' for the deviation of one value.

    >>> mean_and_deviation([1.0, 2.0, 3.0])
    '2.00 ± 1.00'
    """
    deviation = f"{statistics.stdev(values):.2f}" if len(values) > 1 else "n/a"
    return f"{statistics.mean(values):.2f} ± {deviation}"


def describe(run: Results) -> str:
    """What a person calls a setting: the model and, for the neighborhood model, its neighbours."""
    config = run["config"]
    if "metadata" not in config:
        return run["model"]
    kinds = " -> ".join(dict.fromkeys((config["metadata"]["type"], config["test_metadata"]["type"])))
    chosen = {key: config[key] for key in ("pool", "m", "M")} | {"drop": config["neighborhoods"]["drop"]}
    return ", ".join([run["model"], kinds, *(f"{key}={value}" for key, value in chosen.items())])


def summary(results: list[Results], collection: str) -> str:
    """The Markdown table of one collection's runs (test figures in percent)."""
    groups = by_setting([run for run in results if run["collection"] == collection])
    baseline = {comparable(run): run for runs in groups.values() for run in runs.values() if run["model"] == BASELINE}
    head = ["model", "splits", *PAPER_METRICS, f"mAP_L, difference to {BASELINE}"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for runs in sorted(groups.values(), key=lambda runs: statistics.mean(r["test"]["mAP_L"] for r in runs.values())):
        figures = [mean_and_deviation([run["test"][metric] for run in runs.values()]) for metric in PAPER_METRICS]
        pairs = [(run, baseline[comparable(run)]) for run in runs.values() if comparable(run) in baseline]
        gains = [run["test"]["mAP_L"] - other["test"]["mAP_L"] for run, other in pairs if run is not other]
        gain = mean_and_deviation(gains) if gains else ""
        name = describe(next(iter(runs.values())))
        lines.append("| " + " | ".join([name, str(len(runs)), *figures, gain]) + " |")
    return "\n".join(lines)


def main() -> None:
    """The command line at the top of this file."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "logs/runs")
    results = find_results(folder)
    if not results:
        sys.exit(f"summary: no results.json below {folder}; train first, or give the folder of the runs.")
    for collection in sorted({run["collection"] for run in results}):
        print(f"{collection}, test images, percent, mean ± standard deviation over splits\n")
        print(summary(results, collection) + "\n")


if __name__ == "__main__":
    main()
