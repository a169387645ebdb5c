"""Where collections come from: one module a source, each reading a `release.Release` for `making.make`."""
