"""How materials stands with its events, for administrators."""

from typing import Any

from google.protobuf.message import Message
from plantops.materials.v1.operations_pb2 import (
    CheckMaterialsInboxResponse,
    ListMaterialsDeadLettersResponse,
    ListMaterialsToldEventsResponse,
)

from services.chassis import operations
from services.chassis.unit import Unit


class MaterialsOperationsService:
    """Events told and received by this service."""

    async def get_materials_messaging(self, request: Any, unit: Unit) -> Message:
        """Outbox, own stream, consumers and readiness."""
        return await operations.messaging(unit)

    async def list_materials_told_events(self, request: Any, unit: Unit) -> Message:
        """What the outbox tells, below the horizon."""
        return await operations.told_events(unit, request, ListMaterialsToldEventsResponse())

    async def check_materials_inbox(self, request: Any, unit: Unit) -> Message:
        """What another service told and did not arrive here."""
        return await operations.check_inbox(unit, request, CheckMaterialsInboxResponse())

    async def list_materials_dead_letters(self, request: Any, unit: Unit) -> Message:
        """What was put aside."""
        return await operations.dead_letters(unit, request, ListMaterialsDeadLettersResponse())
