"""What another system calls something is not remembered: the same file of stock enters twice."""

from typing import Any

from services.materials.model import exchange
from tests.planted.planting import replace

RULE = "MAT-321"


def plant() -> None:
    async def forget(*_: Any) -> None:
        """Nothing is kept."""

    replace(exchange, "link", forget)
