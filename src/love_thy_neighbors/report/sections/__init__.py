"""The sections of the report, one for each experiment of the paper, in its order."""
