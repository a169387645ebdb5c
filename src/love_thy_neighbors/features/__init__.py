"""Computes features of pictures: reads and decodes them, and passes them through a backbone."""
