"""The models that the paper's model is compared with."""
