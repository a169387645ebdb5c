"""Keeps Lightning from acting on SLURM by itself.

In a job of SLURM, Lightning answers SIGUSR1 with a checkpoint of its own and queues the job again. From then on it
loads this checkpoint in place of the model that is to be tested. It also takes every task of the job for a process of
this run, and answers SIGTERM by ending. Here ``last.ckpt`` is the only checkpoint that a run continues from, and
`slurm.signals` answers the signals.
"""

import os
import signal
import threading
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.plugins.environments import (
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.slurm.commands import own_job
from love_thy_neighbors.training.processes import has_one_process


def process_plugins(trainer: Mapping[str, Any]) -> list[Any] | None:
    """The Trainer's ``plugins``: how the processes of a run are numbered, if Lightning is not to find out by itself.

    Raises `UserError` if sbatch's options do not say how many tasks each node has.
    """
    if TorchElasticEnvironment.detect():
        return None
    if has_one_process(trainer):
        return [LightningEnvironment()]
    if "SLURM_NTASKS" not in os.environ or not SLURMEnvironment.detect():
        return None
    try:
        return [SLURMEnvironment(auto_requeue=False)]
    except RuntimeError:
        count = os.environ["SLURM_NTASKS"]
        raise UserError(
            f"sbatch: --ntasks={count} does not say how many tasks a node has; give --ntasks-per-node, as many as "
            "trainer.devices, and --nodes, as many as trainer.num_nodes."
        ) from None


class KeptSigterm(pl.Callback):
    """In a job of SLURM, SIGTERM is answered as before the Trainer was made; Lightning sets an answer of its own."""

    def __init__(self) -> None:
        self.handler = signal.getsignal(signal.SIGTERM)

    def _restore(self) -> None:
        in_main_thread = threading.current_thread() is threading.main_thread()
        if own_job() is not None and callable(self.handler) and in_main_thread:
            signal.signal(signal.SIGTERM, self.handler)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._restore()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._restore()

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._restore()
