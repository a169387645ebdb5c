"""PyTorch Lightning's side: the data module, the task, the optimiser, checkpoints and loggers."""
