"""trainer.tf32: where it may be given, what it sets, and that runs without it keep their names."""

from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import checked, settings
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.jobs.build import make_trainer
from love_thy_neighbors.runs.identity import identity
from love_thy_neighbors.runs.trainer_rules import check_trainer


@pytest.mark.parametrize("given", [{"tf32": "yes"}, {"tf32": 1}, {"tf32": True, "accelerator": "cpu"}])
def test_tf32_is_true_or_false_and_for_a_gpu(given: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"trainer\.tf32"):
        check_trainer({"precision": "32-true", **given})
    check_trainer({"precision": "32-true", "accelerator": "gpu", "tf32": True})


def test_a_gpu_run_without_tf32_has_the_identity_of_runs_before_the_key() -> None:
    kept = {}
    for tf32 in ("true", "false"):
        kept[tf32] = identity(checked(settings("trainer=gpu", f"trainer.tf32={tf32}")))["trainer"]
    assert kept["true"] == {**kept["false"], "tf32": True}


def test_tf32_sets_the_precision_of_products(tmp_path: Path) -> None:
    training = checked(settings("trainer.enable_progress_bar=false")).training
    before = torch.get_float32_matmul_precision()
    try:
        for tf32, precision in ((True, "high"), (False, "highest")):
            training.trainer["tf32"] = tf32
            make_trainer(training, [], [], tmp_path)
            assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision(before)
