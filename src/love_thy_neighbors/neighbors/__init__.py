"""Who the neighbours of an image are: nearest by Jaccard distance of metadata, or by Euclidean distance of features."""
