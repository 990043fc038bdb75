"""Decisions of policies: read, explained, decided again (MAT-162)."""

import json
from typing import Any

from plantops.materials.v1 import decisions_pb2
from sqlalchemy import select

from services.chassis.db import json_text
from services.chassis.faults import ResourceNotFound
from services.chassis.unit import Unit
from services.materials.model.decision import Decision
from services.materials.rules.replays import REPLAYS


class DecisionService:
    """Decisions of policies."""

    async def explain_decision(self, request: Any, unit: Unit) -> Any:
        return await _found(unit, request.name)

    async def replay_decision(self, request: Any, unit: Unit) -> Any:
        kept = await _found(unit, request.name)
        outcome = json_text(REPLAYS[kept.kind](json.loads(kept.inputs)))
        return decisions_pb2.ReplayDecisionResponse(outcome=outcome, same=outcome == kept.outcome)


async def _found(unit: Unit, name: str) -> Decision:
    found: Decision | None = await unit.first(select(Decision).where(Decision.name == name))  # type: ignore[arg-type]
    if found is None:
        raise ResourceNotFound(resource=name)
    return found
