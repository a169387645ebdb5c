"""How a process behaves in a job of SLURM, and what SLURM knows about jobs."""
