"""The paper's numbers on NUS-WIDE (Johnson, Ballan, Fei-Fei, ICCV 2015): mean and standard deviation over 5 splits."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """Mean and sample standard deviation (divisor n - 1; None for one value) of n values."""

    mean: float
    std: float | None
    n: int


Figures = dict[str, Estimate]  # metric -> number in percent
SPLITS = 5


def _row(*numbers: tuple[float, float | None], metrics: tuple[str, ...]) -> Figures:
    return {metric: Estimate(mean, std, SPLITS) for metric, (mean, std) in zip(metrics, numbers, strict=True)}


METRICS = ("mAP_L", "mAP_I", "Rec_L", "Prec_L", "Rec_I", "Prec_I")

# Table 2, the models that the paper ran; precision and recall at n = 3.
TABLE_2: dict[str, Figures] = {
    model: _row(*numbers, metrics=METRICS)
    for model, numbers in {
        "upper_bound": ((100.00, 0.00), (100.00, 0.00), (68.52, 0.35), (60.68, 1.32), (92.09, 0.10), (66.83, 0.12)),
        "tag_only": ((43.88, 0.32), (77.06, 0.14), (47.52, 2.59), (46.83, 0.89), (71.34, 0.16), (51.18, 0.16)),
        "knn_voting": ((44.03, 0.26), (73.72, 0.10), (30.83, 0.37), (44.41, 1.05), (68.06, 0.15), (49.49, 0.11)),
        "visual_only": ((45.78, 0.18), (77.15, 0.11), (43.12, 0.39), (40.90, 0.39), (71.60, 0.19), (51.56, 0.11)),
        "neighbor_voting": ((50.40, 0.23), (77.86, 0.15), (34.52, 0.47), (56.05, 1.47), (72.12, 0.21), (51.91, 0.20)),
        "neighborhood": ((52.78, 0.34), (80.34, 0.07), (43.61, 0.47), (46.98, 1.01), (74.72, 0.16), (53.69, 0.13)),
        "neighborhood_tagvec": (
            (61.88, 0.36),
            (80.27, 0.08),
            (57.30, 0.44),
            (54.74, 0.63),
            (75.10, 0.20),
            (53.46, 0.09),
        ),
    }.items()
}

# Table 2, rows quoted from McAuley and Leskovec (2012) and Gong et al. (2014): numbers without a deviation.
QUOTED: dict[str, Figures] = {
    "Tag-only + linear SVM (McAuley and Leskovec)": {"mAP_L": Estimate(46.67, None, 1)},
    "Graphical model, all metadata (McAuley and Leskovec)": {"mAP_L": Estimate(49.00, None, 1)},
    **{
        f"CNN + {loss} (Gong et al.)": _row(*((number, None) for number in numbers), metrics=METRICS[2:])
        for loss, numbers in {
            "softmax": (31.22, 31.68, 59.52, 47.82),
            "ranking": (26.83, 31.93, 58.00, 46.59),
            "WARP": (35.60, 31.65, 60.49, 48.59),
        }.items()
    },
}

# Table 3, by the type of metadata that finds the neighbours.
TABLE_3: dict[str, Figures] = {
    kind: _row(*numbers, metrics=METRICS[:2])
    for kind, numbers in {
        "visual": ((47.45, 0.19), (78.56, 0.14)),
        "groups": ((48.87, 0.22), (79.11, 0.13)),
        "sets": ((48.02, 0.33), (78.40, 0.25)),
        "tags": ((52.78, 0.34), (80.34, 0.07)),
    }.items()
}

# Table 4: mAP_L by (metadata in training, metadata at test time).
TABLE_4: dict[tuple[str, str], Estimate] = {
    pair: Estimate(mean, std, SPLITS)
    for pair, (mean, std) in {
        ("tags", "tags"): (52.78, 0.34),
        ("tags", "sets"): (47.12, 0.35),
        ("tags", "groups"): (48.14, 0.33),
        ("sets", "tags"): (52.21, 0.29),
        ("sets", "sets"): (48.02, 0.33),
        ("sets", "groups"): (48.49, 0.16),
        ("groups", "tags"): (50.32, 0.28),
        ("groups", "sets"): (47.82, 0.24),
        ("groups", "groups"): (48.87, 0.22),
    }.items()
}

# Table 1: unique elements, then mean and median of images per element and of elements per image.
TABLE_1: dict[str, tuple[int, tuple[float, float], tuple[float, float]]] = {
    "labels": (81, (5701.3, 1682), (2.4, 2)),
    "tags": (10_000, (270.3, 91), (14.2, 11)),
    "sets": (165_039, (2.3, 1), (2.0, 1)),
    "groups": (95_358, (26.1, 2), (13.1, 8)),
}

# Section 5.1: the number of labels that the model does not improve (map, earthquake, rainbow), and of all labels.
LABELS_NOT_IMPROVED = (3, 81)
