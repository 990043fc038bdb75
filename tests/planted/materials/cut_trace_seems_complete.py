"""A trace that ends at its depth says that there is nothing further."""

from sqlalchemy import text

from services.materials.model import tracing
from tests.planted.planting import replace

RULE = "MAT-136"


def plant() -> None:
    before, after = "select exists (", "select false and exists ("
    replace(tracing, "_FURTHERS", tuple(text(one.text.replace(before, after)) for one in tracing._FURTHERS))
