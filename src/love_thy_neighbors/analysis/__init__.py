"""What the paper measures beside annotation: Table 1, and Figures 3 and 6."""
