"""The service may change what is on hand without the posting function."""

from tests.planted.planting import execute

RULE = "MAT-44"


def plant() -> None:
    execute("materials", "grant update (on_hand) on balance to materials_app")
