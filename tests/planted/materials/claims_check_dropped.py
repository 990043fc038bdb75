"""The database allows more claims than stock."""

from tests.planted.planting import execute

RULE = "MAT-57"


def plant() -> None:
    execute("materials", "alter table balance drop constraint ck_balance_reserved")
