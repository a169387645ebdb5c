"""Work in blocks on this machine's cores or on a Ray cluster."""
