"""Hydra's way to this project's sweeps; Hydra looks for plugins in the namespace ``hydra_plugins`` alone."""
