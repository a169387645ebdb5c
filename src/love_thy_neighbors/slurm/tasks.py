"""The tasks of a job of SLURM, which are the processes of one run, or a run each."""

import os

# What SLURM tells a process about the other tasks of its job step.
_OF_OTHERS = (
    "SLURM_PROCID",
    "SLURM_LOCALID",
    "SLURM_NODEID",
    "SLURM_NTASKS",
    "SLURM_NPROCS",
    "SLURM_NTASKS_PER_NODE",
    "SLURM_TASKS_PER_NODE",
    "SLURM_STEP_NUM_TASKS",
    "SLURM_STEP_TASKS_PER_NODE",
)


def leave_other_tasks() -> None:
    """Make this task a run of its own: from now on nothing in this process knows that the job has other tasks."""
    for name in _OF_OTHERS:
        os.environ.pop(name, None)
