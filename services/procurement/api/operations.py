"""How procurement stands with its events, for administrators."""

from typing import Any

from google.protobuf.message import Message
from plantops.procurement.v1.operations_pb2 import (
    CheckProcurementInboxResponse,
    ListProcurementDeadLettersResponse,
    ListProcurementToldEventsResponse,
)

from services.chassis import operations
from services.chassis.unit import Unit


class ProcurementOperationsService:
    """Events told and received by this service."""

    async def get_procurement_messaging(self, request: Any, unit: Unit) -> Message:
        """Outbox, own stream, consumers and readiness."""
        return await operations.messaging(unit)

    async def list_procurement_told_events(self, request: Any, unit: Unit) -> Message:
        """What the outbox tells, below the horizon."""
        return await operations.told_events(unit, request, ListProcurementToldEventsResponse())

    async def check_procurement_inbox(self, request: Any, unit: Unit) -> Message:
        """What another service told and did not arrive here."""
        return await operations.check_inbox(unit, request, CheckProcurementInboxResponse())

    async def list_procurement_dead_letters(self, request: Any, unit: Unit) -> Message:
        """What was put aside."""
        return await operations.dead_letters(unit, request, ListProcurementDeadLettersResponse())
