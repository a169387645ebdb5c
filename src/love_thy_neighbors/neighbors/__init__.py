"""Finds the neighbours of an image: nearest by Jaccard distance of metadata, or Euclidean distance of features."""
