"""Lets metadata=NAME find a metadata type that has no file in configs; Hydra searches ``hydra_plugins`` for plugins."""
