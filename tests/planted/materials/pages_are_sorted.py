"""Lists are ordered by the last change, which no index knows."""

from typing import Any

from services.chassis import query
from tests.planted.planting import replace

RULE = "PERF-10"


def plant() -> None:
    original = query.order_of

    def order_of(model: Any, descriptor: Any, text: str) -> Any:
        return [(model.__table__.c["update_time"], True), *original(model, descriptor, text)]

    replace(query, "order_of", order_of)
