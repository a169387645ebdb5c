"""The folder of a run: its name, the rules for its settings, its results and its model."""
