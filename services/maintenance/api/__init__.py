"""One class for each rpc service of maintenance, found by its name."""
