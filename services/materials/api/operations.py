"""How materials stands with its events, for administrators."""

from typing import Any

from google.protobuf.message import Message
from plantops.materials.v1.operations_pb2 import (
    CheckMaterialsInboxResponse,
    CheckMaterialsToldVersionsResponse,
    ListMaterialsAppliedVersionsResponse,
    ListMaterialsDeadLettersResponse,
    ListMaterialsReceivedEventsResponse,
    ListMaterialsReplaysResponse,
    ListMaterialsToldEventsResponse,
    RewindMaterialsInboxResponse,
)

from services.chassis import decisions, operations, reconciliation
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

    async def get_materials_dead_letter(self, request: Any, unit: Unit) -> Message:
        """One dead letter with the event that it holds."""
        return await decisions.show(unit, request)

    async def replay_materials_dead_letter(self, request: Any, unit: Unit) -> Message:
        """Apply what was put aside."""
        return await decisions.replay(unit, request)

    async def discard_materials_dead_letter(self, request: Any, unit: Unit) -> Message:
        """Never apply what was put aside."""
        return await decisions.discard(unit, request)

    async def replay_materials_events(self, request: Any, unit: Unit) -> Message:
        """Tell events again."""
        return await reconciliation.replay_events(unit, request)

    async def list_materials_replays(self, request: Any, unit: Unit) -> Message:
        """What was told again."""
        return await reconciliation.replays(unit, request, ListMaterialsReplaysResponse())

    async def list_materials_received_events(self, request: Any, unit: Unit) -> Message:
        """What another service told and arrived here."""
        return await reconciliation.received_events(unit, request, ListMaterialsReceivedEventsResponse())

    async def list_materials_applied_versions(self, request: Any, unit: Unit) -> Message:
        """How far another service's resources are known here."""
        return await reconciliation.applied_versions(unit, request, ListMaterialsAppliedVersionsResponse())

    async def check_materials_told_versions(self, request: Any, unit: Unit) -> Message:
        """What another service knows and this one never told."""
        return await reconciliation.told_versions(unit, request, CheckMaterialsToldVersionsResponse())

    async def rewind_materials_inbox(self, request: Any, unit: Unit) -> Message:
        """Expect another service's events from earlier versions on."""
        return await reconciliation.rewind(unit, request, RewindMaterialsInboxResponse())
