"""The trigger that keeps the ledger is dropped."""

from tests.planted.planting import execute

RULE = "MAT-41"


def plant() -> None:
    execute("materials", "drop trigger movement_entry_append_only on movement_entry")
