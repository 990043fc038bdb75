"""An event that comes early is applied at once, over the gap."""

from typing import Any

from services.chassis import inbox
from services.chassis.inbox import Inbox
from tests.planted.planting import replace

RULE = "REL-34"


def plant() -> None:
    async def applied(self: Any, unit: Any, envelope: Any, payload: bytes) -> None:
        kind = self.types[envelope.type]
        await inbox._handle(kind, inbox.decode(kind.descriptor, payload), unit)
        await self.advance(unit, envelope.aggregate, envelope.version)

    replace(Inbox, "_keep", applied)
