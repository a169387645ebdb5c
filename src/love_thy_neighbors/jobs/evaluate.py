"""Jobs on a trained model: other test neighbours (Table 4, Figure 8), or the parts of its scores (Figure 3)."""

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from love_thy_neighbors.analysis.score_parts import score_parts, tower_parts
from love_thy_neighbors.jobs.build import make_data, make_task, make_trainer, model_arguments
from love_thy_neighbors.jobs.train import tested_arrays
from love_thy_neighbors.relational import RelationalModel
from love_thy_neighbors.runs.checkpoints import model_class
from love_thy_neighbors.runs.model_folder import load_model
from love_thy_neighbors.runs.results import begin, read_results, write_results
from love_thy_neighbors.runs.settings import Settings
from love_thy_neighbors.training.data import Batch, NeighborhoodData
from love_thy_neighbors.training.loggers import close_loggers, log_result, make_loggers
from love_thy_neighbors.training.processes import is_main_process
from love_thy_neighbors.training.task import AnnotationTask


def evaluate(settings: Settings, folder: Path, trained: Path) -> None:
    """Test the model of the finished run ``trained`` with the test neighbours of ``settings``; nothing is trained.

    The validation figures are those of the training run, whose neighbours they were measured with.
    """
    since = time.monotonic()
    if is_main_process():
        begin(folder, settings)
    data, task = trained_task(settings, trained)
    loggers = make_loggers(settings, folder)
    assert settings.training is not None
    trainer = make_trainer(settings.training, [], loggers, folder, settings.model.name)
    try:
        trainer.test(task, datamodule=data, verbose=False)
        if trainer.is_global_zero:
            source = read_results(trained)
            figures = {"val": source["val"], "test": task.figures}
            of_training = {key: source[key] for key in ("best_epoch", "divergence") if key in source}
            seconds = time.monotonic() - since
            write_results(folder, settings, seconds, tested_arrays(task, data), **figures, **of_training)
            log_result(loggers, figures)
        trainer.strategy.barrier()  # no process reads results.json before it is written
    finally:
        close_loggers(loggers)


def decompose(settings: Settings, folder: Path, trained: Path) -> None:
    """Divide every test score of the run ``trained`` into parts of image and neighbours, and bias (Figure 3).

    Of a relational model, ``relation_parts`` [N, R, L] are those of its towers, whose sum is ``neighborhood_part``.
    """
    since = time.monotonic()
    begin(folder, settings)
    data, task = trained_task(settings, trained)
    data.setup("test")
    parts, scores, rows = [], [], []
    with torch.inference_mode():
        for indices in data.batches["test"]:
            batch = data.gather(indices)
            parts.append(_parts(task, batch))
            scores.append(task(batch))
            rows.append(batch.rows)
    image, relations = (torch.cat([part[place] for part in parts]).numpy() for place in (0, 1))
    bias, total, neighborhood = parts[0][2].numpy(), torch.cat(scores).numpy(), relations.sum(axis=1)
    arrays = {
        "scores": total,
        "rows": torch.cat(rows).numpy(),
        "neighbors": data.lists("test"),
        "image_part": image,
        "neighborhood_part": neighborhood,
        "relation_parts": relations if data.relational else None,
        "bias": bias,
        "W_y": task.model.state_dict()["W_y.weight"].numpy(),
    }
    error = np.abs(image + neighborhood + bias - total).max()
    source = read_results(trained)
    figures = {"val": source["val"], "test": source["test"], "score_parts": {"largest_error": float(error)}}
    write_results(folder, settings, time.monotonic() - since, arrays, **figures)


def _parts(task: AnnotationTask, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Image part [B, L], the parts of the neighbours by every relation [B, R, L], and bias [L]; R = 1 for one type."""
    assert batch.z is not None
    assert batch.mask is not None
    if isinstance(task.model, RelationalModel):
        return tower_parts(task.model, batch.x, batch.z, batch.mask)
    image, neighborhood, bias = score_parts(task.model, batch.x, batch.z, batch.mask, task.test_pool)
    return image, neighborhood.unsqueeze(1), bias


def trained_task(settings: Settings, trained: Path) -> tuple[NeighborhoodData, AnnotationTask]:
    """Data of the settings, and the model of the finished run ``trained`` in evaluation mode."""
    data = make_data(settings)
    task = make_task(settings, model_arguments(settings, data))
    task.model = load_model(trained, model_class(settings.model.target))[0]
    task.look_at(data, "test")
    return data, task.eval()
