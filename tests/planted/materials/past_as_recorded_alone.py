"""Stock at an instant counts what happened later."""

from sqlalchemy import text

from services.materials.api import ledger
from tests.planted.planting import replace

RULE = "MAT-187"


def plant() -> None:
    replace(ledger, "_THEN", text(ledger._THEN.text.replace("e.effective_time <= :effective", "true")))
