"""Whether something was there at the end of a day is read from what is there now."""

from dataclasses import replace as changed

from sqlalchemy import text

from services.materials import measures
from tests.planted.planting import replace

RULE = "MAT-331"


def plant() -> None:
    known = measures.DEFINITIONS["stock_out"]
    statement = known.statement.text.replace("e.effective_time > p.until", "e.effective_time > 'infinity'")
    replace(measures, "DEFINITIONS", {**measures.DEFINITIONS, "stock_out": changed(known, statement=text(statement))})
