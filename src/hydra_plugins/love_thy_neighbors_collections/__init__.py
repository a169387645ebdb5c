"""A Hydra plugin: data=FOLDER."""
