"""Calls to the services carry the caller's context and not that of the span that makes them."""

from typing import Any

from gateway import upstream
from tests.planted.planting import replace

RULE = "OPS-42"


def plant() -> None:
    def unchanged(metadata: Any, work: Any) -> Any:
        return metadata

    replace(upstream, "carried", unchanged)
