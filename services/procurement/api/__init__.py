"""One class for each rpc service of procurement, found by its name."""
