"""Training and evaluation of one model on one split: loss, optimiser and metrics (sections 3.2, 3.4, 4.2)."""

from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from love_thy_neighbors.errors import UserError
from love_thy_neighbors.metrics import AnnotationMetrics
from love_thy_neighbors.model import NeighborhoodModel, Pool
from love_thy_neighbors.neighborhoods import expected_max, mean_of_max
from love_thy_neighbors.relational import RelationalModel
from love_thy_neighbors.training.batches import EXACT, IndexBatch, hash_seed
from love_thy_neighbors.training.data import Batch, NeighborhoodData
from love_thy_neighbors.training.losses import LOSSES
from love_thy_neighbors.training.neighbor_states import NeighborStates, are_worth_it, states_as_input
from love_thy_neighbors.training.rmsprop import FusedRMSprop
from love_thy_neighbors.training.schedules import SCHEDULES
from love_thy_neighbors.training.sparse_gradient import keep_gradients_sparse
from love_thy_neighbors.training.steps import count_steps, counted_in_calls, counted_in_steps, steps_a_call


class AnnotationTask(pl.LightningModule):
    """Fits label scores s(x) to labels y with one loss a label (`losses`), and ranks labels by score.

    Args:
        model: gives scores from x and, by name, its other inputs: z, mask and pool (`model.NeighborhoodModel`), bag.
            A `relational.RelationalModel` takes no pool, because its neighbours come as a mean.
        labels: |Y|, the number of labels.
        m: neighborhood size.
        train, test: neighborhoods an image and pass, or 'exact' (see `neighborhoods`).
        lr: learning rate of RMSProp.
        decay: RMSProp's decay of the running mean of squared gradients.
        l2: strength of L2 on the weight matrices; the gradient of ``l2 / 2 * |W|^2`` is added to the loss's.
        n: labels assigned to an image for precision and recall.
        seed: of dropout.
        schedule: of the learning rate over the epochs (`schedules`).
        loss: 'logistic' (section 3.4) or 'asymmetric' (`losses`).
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        labels: int,
        m: int,
        train: int | str,
        test: int | str,
        lr: float,
        decay: float,
        l2: float,
        n: int,
        seed: int,
        schedule: str = "constant",
        loss: str = "logistic",
    ) -> None:
        super().__init__()
        self.model, self.criterion, self.share_of_lr = model, LOSSES[loss], SCHEDULES[schedule]
        self.lr, self.decay, self.l2, self.seed = lr, decay, l2, seed
        self.train_pool, self.test_pool = _pool(m, train), _pool(m, test)
        self.val_metrics, self.test_metrics = AnnotationMetrics(labels, n=n), AnnotationMetrics(labels, n=n)

    def forward(self, batch: Batch) -> Tensor:
        """Scores [B, L]: sampled neighborhoods in training mode, those of the test setting otherwise."""
        inputs: dict[str, Any] = {}
        if batch.mask is not None:
            inputs["mask"] = batch.mask
            if not isinstance(self.model, RelationalModel):
                inputs["pool"] = self.train_pool if self.training else self.test_pool
        if batch.bag is not None:
            inputs["bag"] = batch.bag
        if batch.z is not None:
            inputs["z"] = batch.z
        if not batch.has_states:
            return self.model(batch.x, **inputs)
        assert isinstance(self.model, NeighborhoodModel)
        with states_as_input(self.model):
            return self.model(batch.x, **inputs)

    def setup(self, stage: str) -> None:
        if stage == "fit":
            self._data.steps_a_call = steps_a_call(self.trainer)
            self.automatic_optimization = not self._data.steps_a_call

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if not self.automatic_optimization:
            counted_in_steps(checkpoint["loops"], self.steps)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if not self.automatic_optimization:
            counted_in_calls(checkpoint["loops"])

    def on_train_start(self) -> None:
        # A checkpoint holds the lr, decay and l2 that it was trained with; this run's settings replace them.
        optimizer = self.optimizers()
        assert isinstance(optimizer, pl.core.optimizer.LightningOptimizer)
        for group, l2 in zip(optimizer.param_groups, (self.l2, 0.0), strict=True):
            group.update(lr=self.lr, alpha=self.decay, weight_decay=l2, capturable=False)

        self.loss_sum = torch.zeros((), device=self.device)
        if self.device.type == "cpu" and not self.automatic_optimization:  # only the optimiser reads gradients
            keep_gradients_sparse(self.model)

    def on_train_epoch_start(self) -> None:
        self.look_at(self._data, "train")
        # Dropout depends on (seed, epoch) alone: a run continued after an interruption gives the same result.
        torch.manual_seed(hash_seed(self.seed, self.current_epoch, self.global_rank))
        self.set_lr(self.lr * self.share_of_lr(self.current_epoch, self.trainer.max_epochs or 1))
        self.images, self.steps = 0, 0
        self.loss_sum.zero_()

    def set_lr(self, lr: float) -> None:
        """Use this learning rate from the next step on."""
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = lr

    def training_step(self, batch: Batch | IndexBatch, batch_idx: int) -> Tensor:
        """One step, of which Lightning does the rest; or all of it for the steps of a call (`training.steps`)."""
        if isinstance(batch, IndexBatch):
            loss = self.take_steps(batch)
            count_steps(self.trainer, -(-len(batch.rows) // self._data.batch_size["train"]))
        else:
            loss = self.counted(self.loss(batch), len(batch.rows))
        if self.trainer.is_last_batch:  # Lightning's own running mean would cost 0.5 ms a step
            mean = self.loss_sum / self.images
            self.log("train/loss", mean, on_step=False, on_epoch=True, batch_size=self.images, sync_dist=True)
        return loss

    def take_steps(self, batches: IndexBatch) -> Tensor:
        """All steps of a call; the loss of the last one."""
        for batch in batches.steps(self._data.batch_size["train"]):
            loss = self.counted(self.step(batch), len(batch.rows))
        return loss

    def step(self, batch: IndexBatch) -> Tensor:
        """A whole step, from row numbers to new weights; its loss."""
        optimizer = self._optimizer()
        optimizer.zero_grad()
        loss = self.loss(self._data.gather(batch))
        loss.backward()
        optimizer.step()
        return loss.detach()

    def _optimizer(self) -> torch.optim.Optimizer:
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        return optimizer

    def loss(self, batch: Batch) -> Tensor:
        if isinstance(self.model, RelationalModel):
            assert batch.z is not None
            assert batch.mask is not None
            return self.model.loss(batch.x, batch.z, batch.mask, batch.y, self.criterion)
        return self.criterion(self(batch), batch.y)

    def counted(self, loss: Tensor, images: int) -> Tensor:
        """Adds the loss of a batch to the epoch's mean, and returns it."""
        self.images += images
        self.steps += 1
        self.loss_sum += loss.detach() * images
        return loss

    def on_validation_epoch_start(self) -> None:
        self.look_at(self._data, "val")
        self._compute_states("val", self.trainer.num_val_batches)

    def on_test_epoch_start(self) -> None:
        self.look_at(self._data, "test")
        self._compute_states("test", self.trainer.num_test_batches)

    def look_at(self, data: NeighborhoodData, part: str, *, alone: bool = False) -> None:
        """Tell a relational model whether the images of a part have all its relations; ``alone``: none of them."""
        if isinstance(self.model, RelationalModel):
            self.model.complete = not alone and data.has_all_relations(part)

    def _compute_states(self, part: str, batches: list[int | float]) -> None:
        """Compute the hidden states of the part's neighbours once, if that saves work and they fit into memory."""
        data, model = self._data, self.model
        lists = data.batches[part].lists  # a tensor, for this model
        # Not with several processes, nor where only some of the batches are evaluated.
        whole = self.trainer.world_size == 1 and sum(batches) == len(data.batches[part])
        if not (isinstance(model, NeighborhoodModel) and isinstance(lists, Tensor) and whole):
            return
        if are_worth_it(lists, model.W_z.out_features):
            features = partial(data.features.gather, device=self.device)
            data.states = NeighborStates(features, model, lists, len(data.collection), self.device)

    @property
    def _data(self) -> NeighborhoodData:
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, NeighborhoodData)
        return data

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.val_metrics.update(self(batch), batch.y, batch.rows)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.test_metrics.update(self(batch), batch.y, batch.rows)

    def on_validation_epoch_end(self) -> None:
        self._report("val", self.val_metrics)

    def on_test_epoch_end(self) -> None:
        self._report("test", self.test_metrics)

    def _report(self, part: str, metrics: AnnotationMetrics) -> None:
        self._data.states = None  # before the metrics take memory of their own
        try:
            figures = metrics.compute()
        except ValueError as error:
            raise UserError(
                f"training diverged: {str(error).rstrip('.')}; lower lr (now {self.lr}) or raise l2 (now {self.l2})."
            ) from None
        # Every process has computed the same figures from all images, so Lightning need not average them. All of them
        # log: callbacks of every process read the figures.
        self.log_dict({f"{part}/{key}": value for key, value in figures.items()})
        self.figures = figures
        self.rows, self.scores = metrics.gathered()
        metrics.reset()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        biases = [p for p in self.model.parameters() if p.ndim == 1]
        groups: list[dict[str, Any]] = [
            {"params": matrices, "weight_decay": self.l2},
            {"params": biases, "weight_decay": 0.0},
        ]
        return FusedRMSprop(groups, lr=self.lr, alpha=self.decay)


def _pool(m: int, samples: int | str) -> Pool:
    """The pooling of v_z: exact over all neighborhoods, or over the sampled ones."""
    return partial(expected_max if samples == EXACT else mean_of_max, m=m)
