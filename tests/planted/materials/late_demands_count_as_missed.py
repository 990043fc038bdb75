"""Demands that were known only after their need count as not covered."""

from dataclasses import replace as changed

from sqlalchemy import text

from services.materials import measures
from tests.planted.planting import replace

RULE = "MAT-331"


def plant() -> None:
    known = measures.DEFINITIONS["fill_rate"]
    statement = known.statement.text.replace("r.create_time > r.need_time", "r.create_time > 'infinity'")
    replace(measures, "DEFINITIONS", {**measures.DEFINITIONS, "fill_rate": changed(known, statement=text(statement))})
