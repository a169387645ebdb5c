"""A Hydra plugin: cluster=slurm."""
