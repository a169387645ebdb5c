"""Where collections come from: one module a source, each ending in
`collection.write_collection`."""
