"""Models that the paper's is compared with."""
