"""Sources of collections: one module for each; each returns a `release.Release` for `prepare.make`."""
