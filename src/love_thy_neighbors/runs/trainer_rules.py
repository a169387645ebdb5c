"""Which arguments of Lightning's Trainer, the config group ``trainer``, a run may have.

Some are set by the program itself. Others stop training within an epoch, or validate at other times than after each
epoch, so that the best epoch (section 3.4) would not be known.
"""

from typing import Any

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.runs.nearest import no_such_key

_WHOLE = "training is counted in whole epochs; give epochs=NUMBER"
_EACH = "the model is validated after each epoch, since the best epoch is kept; leave it out"
_ALWAYS = "this is part of the program; leave it out"
# Arguments that are refused, each with what to do instead.
REFUSED = {
    "max_epochs": "give epochs=NUMBER",
    "max_steps": _WHOLE,
    "min_steps": _WHOLE,
    "max_time": _WHOLE,
    "check_val_every_n_epoch": _EACH,
    "val_check_interval": _EACH,
    "fast_dev_run": "give debug=fast_batch",
    "callbacks": "give callbacks=early_stopping, or add a file to configs/callbacks",
    "logger": "give logger=wandb or logger=tensorboard",
    "default_root_dir": "give logs=FOLDER",
    "enable_checkpointing": "last.ckpt and the model of the best epoch are always written; leave it out",
    "use_distributed_sampler": "batches are always divided among the processes; leave it out",
    "barebones": "validation and its figures cannot be left out; leave it out",
    "limit_predict_batches": "give trainer.limit_test_batches",
    "reload_dataloaders_every_n_epochs": _ALWAYS,
    "plugins": _ALWAYS,
    "model_registry": _ALWAYS,
    "enable_autolog_hparams": _ALWAYS,
}
ALLOWED = (
    *("accelerator", "devices", "num_nodes", "strategy", "precision", "sync_batchnorm"),
    *("limit_train_batches", "limit_val_batches", "limit_test_batches", "overfit_batches", "num_sanity_val_steps"),
    *("min_epochs", "accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm"),
    *("deterministic", "benchmark", "inference_mode", "detect_anomaly"),
    "tf32",
    *("log_every_n_steps", "enable_progress_bar", "enable_model_summary", "profiler"),
)
# Features and weights stay float32; in mixed precision Lightning chooses the type of each operation.
PRECISIONS = ("32-true", "32", "16-mixed", "16", "bf16-mixed", "bf16")


def check_trainer(trainer: dict[str, Any]) -> None:
    """Raise `UserError` naming the first argument of the Trainer that has no effect here or breaks a run."""
    for key in trainer:
        if key in REFUSED:
            raise UserError(f"trainer.{key}: {REFUSED[key]}.")
        if key not in (*ALLOWED, "_target_"):
            raise UserError(no_such_key(f"trainer.{key}", [f"trainer.{name}" for name in ALLOWED], "train.py"))
    precision = str(trainer.get("precision"))
    if precision not in PRECISIONS:
        raise UserError(
            f"trainer.precision={precision}: features are float32, so this precision does not work; give one of "
            f"{', '.join(PRECISIONS[::2])}."
        )
    tf32 = trainer.get("tf32", False)
    if not isinstance(tf32, bool):
        raise UserError(f"trainer.tf32={tf32}: must be true or false.")
    if tf32 and trainer.get("accelerator") == "cpu":
        raise UserError("trainer.tf32=true: only a GPU has products in TF32; give trainer=gpu, or leave it out.")
