"""The database accepts a movement whose sides do not sum to zero."""

from tests.planted.planting import execute

RULE = "MAT-40"


def plant() -> None:
    execute("materials", "drop trigger movement_entry_sums on movement_entry")
