"""What the programs at the root share: their start, experiments and the outcomes of a sweep."""
