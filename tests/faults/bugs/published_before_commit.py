"""Events are published when they are written, not when their transaction is committed."""

from typing import Any

from services.chassis.unit import Unit
from tests.planted.planting import replace


def plant() -> None:
    original = vars(Unit)["write"]

    async def eager(self: Any) -> None:
        await original(self)
        nc = self.context.standing.nc if self.context.standing is not None else None
        if nc is not None:
            service = self.context.service
            for row in self._events:
                subject, payload = row.subject(service), row.event.SerializeToString(deterministic=True)
                await nc.request(subject, payload, timeout=2, headers=row.headers(service))

    replace(Unit, "write", eager)
