"""Entries of a batch are not asked for the permission where they act."""

from typing import Any

from services.chassis.access import Caller
from services.chassis.unit import Unit
from tests.planted.planting import replace

RULE = "SEC-16"


def plant() -> None:
    original = vars(Unit)["batch"]

    async def trusting(self: Any, requests: Any) -> Any:
        known = self.caller
        self.caller = Caller(known.name, known.device, known.on_behalf_of, known.roles, trusted=True)
        try:
            return await original(self, requests)
        finally:
            self.caller = known

    replace(Unit, "batch", trusting)
