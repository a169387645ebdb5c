"""Which of a distributed run's processes this is."""

from pytorch_lightning.utilities.rank_zero import rank_zero_only


def is_main_process() -> bool:
    """True in the process that alone prints and writes; also before a run is distributed."""
    return getattr(rank_zero_only, "rank", 0) == 0
