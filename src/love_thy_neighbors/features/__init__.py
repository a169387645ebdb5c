"""Features of pictures: reading and decoding them, and passing them through a backbone."""
