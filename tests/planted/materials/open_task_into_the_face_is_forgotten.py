"""A pick face with a task on its way gets another one."""

from sqlalchemy import text

from services.materials.model import filling
from tests.planted.planting import replace

RULE = "MAT-171"


def plant() -> None:
    replace(filling, "_INTO_FACES", text(f"select * from ({filling._INTO_FACES}) t where false"))  # noqa: S608
