"""The sample plant: an aggregates plant at Hamburg, written for Plantops, loaded through the public API."""

from cli.samples.load import load

__all__ = ["load"]
