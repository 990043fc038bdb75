"""How long somebody had a task is forgotten when it ends."""

from tests.planted.planting import execute

RULE = "MAT-331"


def plant() -> None:
    execute("materials", "drop trigger note_lease on put_away_task")
