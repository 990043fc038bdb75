"""A list over all sites shows all sites."""

from typing import Any

from services.chassis.access import Caller
from tests.planted.planting import replace

RULE = "SEC-22"


def plant() -> None:
    def everywhere(self: Any, permission: str) -> None:
        return None

    replace(Caller, "sites", everywhere)
