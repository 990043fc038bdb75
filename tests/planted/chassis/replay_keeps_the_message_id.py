"""An event that is told again keeps its message id, so that the broker takes it for the first one."""

from collections.abc import Mapping
from typing import Any

from services.chassis import replay
from tests.planted.planting import replace

RULE = "REL-14"


def plant() -> None:
    def same(row: Mapping[str, Any], number: int) -> dict[str, Any]:
        return dict(row)

    replace(replay, "_again", same)
