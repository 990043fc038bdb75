"""Procurement's rules: pure functions without I/O, clock or database."""
