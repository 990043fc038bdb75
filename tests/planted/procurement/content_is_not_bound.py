"""The hash of an order does not depend on its content."""

from typing import Any

from services.procurement.model import purchase_order
from tests.planted.planting import replace

RULE = "PRC-122"


def plant() -> None:
    def same(content: dict[str, Any]) -> str:
        return "0" * 64

    replace(purchase_order, "digest_of", same)
