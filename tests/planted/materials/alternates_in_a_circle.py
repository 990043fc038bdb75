"""Items may stand for each other in a circle."""

from sqlalchemy import text

from services.materials.api import items
from tests.planted.planting import replace

RULE = "MAT-10"


def plant() -> None:
    replace(items, "_REACHED", text("select null where cast(:item as text) = '' and cast(:firsts as text[]) is null"))
