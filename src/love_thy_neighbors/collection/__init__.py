"""Reads and writes collections: images, labels, metadata, features and the card that describes them."""
