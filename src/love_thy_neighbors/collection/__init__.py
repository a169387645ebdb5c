"""A collection on disk and in memory: images, labels, metadata, features and the card that describes them."""
