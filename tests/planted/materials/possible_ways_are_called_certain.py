"""Whatever a trace reaches is said to be reached for certain."""

from sqlalchemy import text

from services.materials.model import tracing
from tests.planted.planting import replace

RULE = "MAT-136"


def plant() -> None:
    before, after = "bool_or(f.sure and e.certain) as sure", "true as sure"
    replace(tracing, "_TRACES", tuple(text(one.text.replace(before, after)) for one in tracing._TRACES))
