"""What scanned codes mean for handling units: one stands for all of it, an item inside for as much as is said."""

from typing import Any

from sqlalchemy import select

from services.chassis.unit import Unit
from services.materials.model.handling_unit import HandlingUnit, HandlingUnitType, State
from services.materials.model.movement import Balance
from services.materials.rules import sscc

SERVICE = "plantops.materials.v1.HandlingUnitService/"
ACTIONS: dict[State, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    State.OPEN: (
        ("move", "MoveHandlingUnit", ("location",)),
        ("pack", "PackHandlingUnit", ("contents",)),
        ("unpack", "UnpackHandlingUnit", ()),
        ("put into", "NestHandlingUnit", ("parent_handling_unit",)),
        ("close", "CloseHandlingUnit", ()),
    ),
    State.CLOSED: (
        ("move", "MoveHandlingUnit", ("location",)),
        ("put into", "NestHandlingUnit", ("parent_handling_unit",)),
        ("reopen", "ReopenHandlingUnit", ()),
    ),
    State.POOLED: (("take up", "ReopenHandlingUnit", ()),),
}
"""What can be done in a state: verb, rpc, and what the person is asked for."""


async def handling_units_of(unit: Unit, request: Any, answer: Any) -> None:
    """The unit of an SSCC, or of a number as printed, with what can be done with all of it."""
    site = request.parent.split("/")[-1]
    code = sscc.from_scan(request.code)
    wanted = HandlingUnit.sscc == code if code else HandlingUnit.number == request.code.strip()
    rows: Any = await unit.execute(
        select(HandlingUnit, HandlingUnitType.title)  # type: ignore[call-overload]
        .join(HandlingUnitType, HandlingUnitType.name == HandlingUnit.handling_unit_type)
        .where(HandlingUnit.site == site, wanted)
    )
    for row, title in rows:
        match = answer.matches.add(
            kind="handling_unit", resource=row.name, title=f"{title} {row.number}", state=row.state.value
        )
        for verb, rpc, asked in ACTIONS.get(row.state, ()):
            match.actions.add(verb=verb, rpc=SERVICE + rpc, resource=row.name, asked_fields=asked)
        if row.parent_handling_unit:
            match.actions.add(verb="take out", rpc=SERVICE + "UnnestHandlingUnit", resource=row.name)


async def taken_out_of(unit: Unit, name: str, item: str, match: Any) -> None:
    """An item that is in the unit scanned before: how many come out is asked."""
    if not name:
        return
    held = await unit.first(
        select(Balance.name)  # type: ignore[call-overload]
        .where(Balance.item == item, Balance.handling_unit == name, Balance.on_hand != 0)
        .limit(1)
    )
    if held is not None:
        match.actions.add(
            verb="take out", rpc=SERVICE + "UnpackHandlingUnit", resource=name, asked_fields=["contents.quantity"]
        )
