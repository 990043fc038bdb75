"""A stream of changes over all sites gives those of sites where the caller holds nothing."""

from typing import Any

from services.chassis import changes
from tests.planted.planting import replace

RULE = "REL-91"


def plant() -> None:
    def all_of_them(unit: Any, request: Any) -> dict[str, Any]:
        return {"sites": None, "types": sorted(request.event_types) or None}

    replace(changes, "_wanted", all_of_them)
