"""A file of values shows what is known now, whatever was asked."""

from datetime import UTC, datetime
from typing import Any

from services.materials.api import values
from tests.planted.planting import replace

RULE = "MAT-187"


def plant() -> None:
    def as_asked(site: str, request: Any) -> dict[str, Any]:
        last = datetime.max.replace(tzinfo=UTC)
        return {"site": site, "item": "", "effective": last, "known": last}

    replace(values, "as_asked", as_asked)
