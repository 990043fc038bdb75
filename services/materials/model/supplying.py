"""Transfers and production orders that carry supply requests (MAT-167, MAT-169)."""

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.materials.model import kanban, ledger
from services.materials.model.policy import Outcome
from services.materials.model.supply_request import RequestState, SupplyRequest


async def carry(unit: Unit, name: str, by: str, outcome: Outcome, *, site: str, source: str = "", field: str) -> None:
    """A document carries an open request of a site, which counts until the document does; FieldInvalid for another."""
    found = await unit.find(SupplyRequest, name, lock=False)
    if found is None or (found.site, found.outcome, found.source_site) != (site, outcome, source):
        rule = f"must be a request of sites/{site} for {outcome}" + (f" from {source}" if source else "")
        raise FieldInvalid(field=field, rule=rule, value=name)
    await ledger.hold(unit, site, [found.item])
    await unit.session.refresh(found, with_for_update=True)
    found.move(RequestState.CARRIED)
    found.carry(by)


async def bring(unit: Unit, name: str) -> None:
    """The document counts itself from now on: its request is satisfied, the cards of it are on their way."""
    request = await unit.find(SupplyRequest, name) if name else None
    if request is not None and request.state is RequestState.CARRIED:
        request.move(RequestState.SATISFIED)
        await unit.flush()
        await kanban.on_its_way(unit, [request.name])


async def give_up(unit: Unit, name: str, by: str) -> None:
    """The document brings nothing: its request is open again, or its cards are empty and will ask."""
    request = await unit.find(SupplyRequest, name) if name else None
    if request is not None and request.carried_by == by:
        request.reopen()
        await unit.flush()
        if request.state is RequestState.SATISFIED:
            await kanban.emptied(unit, by, [request.item])
