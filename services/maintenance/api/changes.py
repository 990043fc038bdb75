"""What maintenance told, for systems that follow it by calls."""

from collections.abc import AsyncIterator
from typing import Any

from plantops.type.v1.change_pb2 import Change

from services.chassis import changes
from services.chassis.unit import Unit


class MaintenanceChangeService:
    """Events of this service."""

    async def stream_maintenance_changes(self, request: Any, unit: Unit) -> AsyncIterator[Change]:
        """Events behind a resume token, in order."""
        async for change in changes.stream(unit, request):
            yield change
