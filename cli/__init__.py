"""The command line of Plantops."""
