"""An act for somebody counts for the one who acts alone."""

from typing import Any

from services.procurement.model import duties
from tests.planted.planting import replace

RULE = "PRC-72"


def plant() -> None:
    def alone(caller: Any) -> list[str]:
        return [caller.name]

    replace(duties, "persons", alone)
