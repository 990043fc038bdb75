"""The text of a database error repeats the values of its statement."""

from typing import Any

from services.chassis import db
from tests.planted.planting import replace

RULE = "OPS-43"


def plant() -> None:
    original = db.create_async_engine

    def telling(*given: Any, **more: Any) -> Any:
        return original(*given, **{**more, "hide_parameters": False})

    replace(db, "create_async_engine", telling)
