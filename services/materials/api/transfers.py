"""Transfers: planning, loading, arrival, and what became of what did not arrive (MAT-51, MAT-111)."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm.exc import StaleDataError

from services.chassis.faults import FieldInvalid, TransitionNotAllowed
from services.chassis.unit import Unit
from services.chassis.wire import enum_name, values_for
from services.materials.api import goods
from services.materials.api.arrivals import chosen
from services.materials.model import goods as going
from services.materials.model import ledger, loading, replenishing, stock, supplying, transfer_unit
from services.materials.model import location as locations
from services.materials.model.item import site_fact
from services.materials.model.ledger import Line, Posting
from services.materials.model.loading import Loaded
from services.materials.model.location import Kind, Location
from services.materials.model.movement import MovementKind
from services.materials.model.policy import Outcome
from services.materials.model.transfer import (
    CurrencyDiffers,
    Disposition,
    HandlingUnitChanged,
    Part,
    State,
    Transfer,
    TransferLine,
)
from services.materials.model.transfer_unit import Arrived

_CHANGES = ("transit_location", "to_location", "carrier", "expected_date", "note", "lines")


class TransferService:
    """Goods under way inside a site and between sites."""

    async def get_transfer(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Transfer, request.name)

    async def list_transfers(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Transfer, request)

    async def list_incoming_transfers(self, request: Any, unit: Unit) -> Any:
        if request.parent.endswith("/-"):
            raise FieldInvalid(field="parent", rule="must be one site", value=request.parent)
        return await unit.list(Transfer, request, parent_column=Transfer.to_site)

    async def create_transfer(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        name = unit.new_name(request.parent, Transfer.COLLECTION)
        values = values_for(Transfer, request.transfer) | {"to_site": request.transfer.to_site or request.parent}
        row = Transfer(name=name, site=site, number=await unit.next_number("TR"), disposals=[], lines=[], **values)
        await _check(unit, row)
        row = unit.add(row)
        if row.supply_request:
            to = row.to_site.removeprefix("sites/")
            where = {"site": to, "source": f"sites/{site}", "field": "transfer.supply_request"}
            await supplying.carry(unit, row.supply_request, name, Outcome.TRANSFER, **where)
        row.lines = await goods.lines(unit, site, request.transfer.lines, TransferLine, "transfer", transfer=name)
        return row

    async def update_transfer(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(Transfer, request.transfer.name, etag=request.transfer.etag)
        if row.state is not State.DRAFT:
            raise TransitionNotAllowed(
                resource=row.name, state=row.state.value, allowed="reading", wanted=State.DRAFT.value
            )
        unit.update(row, request.transfer, request.update_mask, only=_CHANGES)
        await _check(unit, row)
        if request.transfer.lines or {"lines", "*"} & set(request.update_mask.paths):
            row.lines.clear()
            await unit.flush()
            site = row.site or ""
            row.lines = await goods.lines(
                unit, site, request.transfer.lines, TransferLine, "transfer", transfer=row.name
            )
            row.touch()
        return row

    async def release_transfer(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(Transfer, request.name, etag=request.etag)
        await _check(unit, row)
        row.release()
        return row

    async def ship_transfer(self, request: Any, unit: Unit) -> Any:
        row, loaded = await take_up(unit, Transfer, TransferLine, request.name, request.etag)
        site = row.site or ""
        await loading.ready(unit, site, loaded, leaves=row.between_sites, at=unit.now)
        row.ship(loaded, unit.now)
        await goods.refuse_inspected(unit, site, row.lines)
        transit = (await unit.get(Location, row.transit_location, lock=False)).usable()
        lines = [line for one in row.lines for line in going.outgoing(one, transit, unloaded=row.between_sites)]
        await going.refuse_claimed(unit, site, row.name, lines)
        if row.between_sites:
            await transfer_unit.unload(unit, row.name, loaded)
        for root in () if row.between_sites else loaded.roots():
            root.put_at(transit.name)
        posting = Posting.new(unit, site, MovementKind.TRANSFER_SHIP, *lines, source=row.name, correlation=row.chain)
        row.movement = posting.name
        await stock.move(unit, site, [posting])
        await supplying.bring(unit, row.supply_request)
        if row.between_sites:
            await transfer_unit.leave(unit, row.name, loaded, unit.now)
            await unit.flush()
            await replenishing.ask(unit, site, *{line.item for line in row.lines})
        return row

    async def receive_transfer(self, request: Any, unit: Unit) -> Any:
        row, loaded = await _take_up_under_way(unit, request.transfer, request.etag)
        if row.to_site != request.parent:
            raise FieldInvalid(field="transfer", rule="must go to the site", value=request.transfer)
        parts = await chosen(unit, row, request.goods)
        places = await _places(unit, row, parts, request.location)
        left = await _under_way(unit, row, loaded, parts)
        row.receive(parts, final=request.final)
        if row.between_sites:
            await _over_to(unit, row, left, parts, places)
            await _left(unit, row, loaded, left)
        else:
            await _arrive(unit, row, loaded, parts, places)
        await unit.flush()
        row.settle()
        return row

    async def dispose_difference(self, request: Any, unit: Unit) -> Any:
        row, loaded = await _take_up_under_way(unit, request.name, request.etag)
        disposition = Disposition(enum_name(request, "disposition"))
        target = await _target(unit, row, disposition, request)
        parts = await chosen(unit, row, request.goods)
        for part in parts:
            part.location, part.to_handling_unit = target.name, ""
        found = disposition is Disposition.FOUND
        left = await _under_way(unit, row, loaded, parts)
        arrived = await _come(unit, row, left if found else set(), row.site or "", parts)
        for root in {part.whole_unit for part in parts if found and part.whole_unit} - left:
            loaded.rows[root].put_at(target.name)
        kind = MovementKind.TRANSFER_RECEIVE if found else MovementKind.ADJUST
        lines = [line for part in parts for line in _lines(row, part, target)]
        posting = Posting.new(
            unit, row.site or "", kind, *lines, source=row.name, correlation=row.chain, reason_code=request.reason_code
        )
        row.dispose(
            parts,
            {
                "disposition": disposition.value, "reason_code": request.reason_code, "person": unit.caller.name,
                "claim_reference": request.claim_reference, "movement": posting.name,
                "dispose_time": unit.now.isoformat().replace("+00:00", "Z"),
            },
        )  # fmt: skip
        await stock.move(unit, row.site or "", [posting])
        await arrived.close(unit, row.whole(parts))
        if row.between_sites:
            await _left(unit, row, loaded, left)
        await unit.flush()
        row.settle()
        return row


async def _check(unit: Unit, row: Transfer) -> None:
    """FieldInvalid or CurrencyDiffers for places that are not there, and sites whose values do not go together."""
    fact = await site_fact(unit, row.site or "")
    if row.between_sites:
        other = await site_fact(unit, row.to_site.removeprefix("sites/"), field="transfer.to_site")
        if other.currency_code != fact.currency_code:
            raise CurrencyDiffers(
                from_site=fact.name, from_currency=fact.currency_code, to_site=other.name,
                to_currency=other.currency_code,
            )  # fmt: skip
    places = await locations.named(unit, {row.transit_location, row.to_location} - {""})
    transit, target = places.get(row.transit_location), places.get(row.to_location)
    if transit is None or transit.site != row.site or transit.kind is not Kind.TRANSIT:
        rule = "must be a place of kind TRANSIT of the site that sends"
        raise FieldInvalid(field="transfer.transit_location", rule=rule, value=row.transit_location)
    if row.to_location:
        _destination(row, target, "transfer.to_location", row.to_location)


def _destination(row: Transfer, place: Location | None, field: str, name: str) -> Location:
    if place is None or f"sites/{place.site}" != row.to_site or place.virtual or place.kind is Kind.TRANSIT:
        rule = "must be a place of the receiving site that goods lie at"
        raise FieldInvalid(field=field, rule=rule, value=name)
    return place


async def take_up(unit: Unit, model: Any, line: Any, name: str, etag: str = "") -> tuple[Any, Loaded]:
    """A document that is to leave, behind the stock of its lines and the units that go (MAT-74)."""
    parent = getattr(line, model.__tablename__)
    asked = select(line.item, line.handling_unit).where(parent == name)
    found = {(row.item, row.handling_unit) for row in await unit.execute(asked)}
    units = {unit_name for item, unit_name in found if not item}
    loaded = await loading.take_up(unit, name.split("/")[1], units, {item for item, _ in found if item})
    row = await unit.get(model, name, etag=etag)
    if {(one.item, one.handling_unit) for one in row.lines} != found:
        raise StaleDataError(f"{name} was changed meanwhile")
    return row, loaded


async def _take_up_under_way(unit: Unit, name: str, etag: str) -> tuple[Transfer, Loaded]:
    """A transfer with the units that it left in, behind the stock of its items at both sites, these by name."""
    asked = (
        select(TransferLine.item, TransferLine.outer_handling_unit, Transfer.to_site)  # type: ignore[call-overload]
        .join(Transfer, Transfer.name == TransferLine.transfer)
        .where(Transfer.name == name)
    )
    found = (await unit.execute(asked)).all()
    items = {row.item for row in found if row.item}
    here = (await unit.get(Transfer, name, lock=False)).site or ""
    for site in sorted({here, *(row.to_site.removeprefix("sites/") for row in found)}):
        await ledger.hold(unit, site, items)
    loaded = await loading.take_up(unit, here, {row.outer_handling_unit for row in found} - {""}, items)
    return await unit.get(Transfer, name, etag=etag), loaded


async def _places(unit: Unit, row: Transfer, parts: Iterable[Part], given: str) -> dict[str, Location]:
    """Where each part comes to: as its entry, the request or the transfer says."""
    for part in parts:
        part.location = part.location or given or row.to_location
    places = await locations.named(unit, {part.location for part in parts})
    for part in parts:
        _destination(row, places.get(part.location), "location", part.location).usable()
    return places


async def _under_way(unit: Unit, row: Transfer, loaded: Loaded, parts: Sequence[Part]) -> set[str]:
    """Outermost units that have left for another site; the content of others lies in them where it is under way.

    HandlingUnitChanged when one of these that comes as a whole holds something else than the transfer says.
    """
    left = await transfer_unit.left_by(unit, row.name) if row.between_sites else set()
    for part in parts:
        part.inside = "" if part.line.outer_handling_unit in left else part.line.handling_unit
    _complete(row, loaded, {part.whole_unit for part in parts} - left - {""})
    return left


async def _come(unit: Unit, row: Transfer, left: set[str], site: str, parts: Sequence[Part]) -> Arrived:
    """Units that have left come to a site; parts that come in them are put into what each has become there."""
    places = {part.whole_unit: part.location for part in parts if part.whole_unit in left}
    arrived = await transfer_unit.arrive(unit, row.name, site, places, row.ship_time)
    for part in parts:
        if part.whole_unit in places:
            part.to_handling_unit = arrived.inside(part.line.handling_unit)
    return arrived


def _complete(row: Transfer, loaded: Loaded, roots: Iterable[str]) -> None:
    for root in roots:
        there = {
            (one.item, one.lot, one.serial, one.status, one.handling_unit, one.owner, one.project): one.on_hand
            for one in loaded.content(root)
            if one.on_hand
        }
        told = {
            (one.item, one.lot, serial, one.status, one.handling_unit, one.owner, one.project): one.open_quantity
            for one in row.open_lines
            if one.outer_handling_unit == root
            for serial in one.open_serials or [""]
        }
        if there != told or loaded.rows[root].location != row.transit_location:
            raise HandlingUnitChanged(handling_unit=root, transfer=row.name)


def _lines(row: Transfer, part: Part, target: Location) -> list[Line]:
    """What a part takes from where it is under way to another place; to the world outside it goes in its unit."""
    one = part.line
    stays = target.virtual or (bool(part.whole_unit) and bool(part.inside))
    line = Line(
        item=one.item, lot=one.lot, quantity=part.quantity, unit_code=one.unit_code,
        from_location=row.transit_location, to_location=target.name, from_status=one.status, to_status=one.status,
        from_handling_unit=part.inside, to_handling_unit=part.inside if stays else part.to_handling_unit,
        from_owner=one.owner, to_owner=one.owner, from_project=one.project, to_project=one.project,
        to_virtual=target.virtual, from_transit=True, second_quantity=part.second,
        second_unit_code=one.second_quantity_unit_code,
    )  # fmt: skip
    return ledger.by_serial(line, part.serials)


async def _arrive(
    unit: Unit, row: Transfer, loaded: Loaded, parts: Sequence[Part], places: dict[str, Location]
) -> None:
    """Inside a site: from under way to the destination, whole units as they are, by one movement."""
    for part in parts:
        if part.whole_unit:
            loaded.rows[part.whole_unit].put_at(part.location)
    lines = [line for part in parts for line in _lines(row, part, places[part.location])]
    if lines:
        site = row.site or ""
        posting = Posting.new(unit, site, MovementKind.TRANSFER_RECEIVE, *lines, source=row.name, correlation=row.chain)
        await stock.move(unit, site, [posting])


async def _over_to(
    unit: Unit, row: Transfer, left: set[str], parts: Sequence[Part], places: dict[str, Location]
) -> None:
    """Between sites: the sender's goods leave by the place between sites, the receiver's come from it, at one value.

    The sender posts first, since a serial is in one place at a time; both or none are committed. Each unit that comes
    has a movement of its own at both sites (MAT-51).
    """
    if not parts:
        return
    here, there = row.site or "", row.to_site.removeprefix("sites/")
    out = await locations.virtual(unit, here, Kind.INTER_SITE)
    into = await locations.virtual(unit, there, Kind.INTER_SITE)
    arrived = await _come(unit, row, left, there, parts)
    apart: dict[str, list[tuple[Part, Line]]] = {}
    for part in parts:
        whose = part.whole_unit if part.whole_unit in left else ""
        apart.setdefault(whose, []).extend((part, line) for line in _lines(row, part, out))
    given = {"source": row.name, "correlation": row.chain}
    kind = MovementKind.TRANSFER_RECEIVE
    sent = [(some, Posting.new(unit, here, kind, *(line for _, line in some), **given)) for some in apart.values()]
    await stock.move(unit, here, [posting for _, posting in sent])
    come = [
        Posting.new(unit, there, kind, *_incoming(some, into, places, posting.name), **given) for some, posting in sent
    ]
    await stock.move(unit, there, come)
    await arrived.close(unit, row.whole(parts))


def _incoming(
    gone: Iterable[tuple[Part, Line]], into: Location, places: dict[str, Location], sent: str
) -> Iterable[Line]:
    """What comes to the receiving site, as it went out of the sender's, at its value."""
    for part, line in gone:
        yield Line(
            item=line.item, lot=line.lot, serial=line.serial, quantity=line.quantity, unit_code=line.unit_code,
            from_location=into.name, to_location=places[part.location].name, from_status=line.to_status,
            to_status=line.to_status, to_handling_unit=part.to_handling_unit, from_owner=line.to_owner,
            to_owner=line.to_owner, from_project=line.to_project, to_project=line.to_project, from_virtual=True,
            second_quantity=line.second_quantity, second_unit_code=line.second_unit_code, cost=line.cost, returns=sent,
        )  # fmt: skip


async def _left(unit: Unit, row: Transfer, loaded: Loaded, left: set[str]) -> None:
    """Units of which nothing is under way any more have left, where the release before let them go along."""
    done = {name for name in row.shipped_units - left if name in loaded.rows and loaded.rows[name].location}
    await loading.ship(unit, loaded.under(done), unit.now)


async def _target(unit: Unit, row: Transfer, disposition: Disposition, request: Any) -> Location:
    """Where a difference goes: back to a place of the sender, or to gains and losses."""
    if disposition is Disposition.FOUND:
        place = (await locations.named(unit, {request.location})).get(request.location)
        if place is None or place.site != row.site or place.virtual or place.kind is Kind.TRANSIT:
            rule = "must be a place of the sending site that goods lie at"
            raise FieldInvalid(field="location", rule=rule, value=request.location)
        return place.usable()
    if not request.reason_code:
        raise FieldInvalid(field="reason_code", rule=f"is required for {disposition}")
    if disposition is Disposition.CARRIER_CLAIM and not request.claim_reference:
        raise FieldInvalid(field="claim_reference", rule=f"is required for {disposition}")
    return await locations.virtual(unit, row.site or "", Kind.ADJUSTMENT)
