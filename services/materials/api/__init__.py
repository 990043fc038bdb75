"""One class for each rpc service of materials, found by its name."""
