"""Transfers and shipments as people plan, load, receive and settle them."""

from typing import Any

import pytest
from google.type.decimal_pb2 import Decimal
from plantops.materials.v1 import items_pb2, shipments_pb2, transfers_pb2

from tests.materials.builders import SITE, at, call, contents, fresh, item, place, q, site
from tests.plant import Refused
from tests.world import Plant

pb = transfers_pb2
sh = shipments_pb2
Goods = pb.TransferGoods
State = pb.Transfer.State


def line(item_name: str, value: Any = 1, unit_code: str = "H87", where: str = "shelf", **given: Any) -> Any:
    """A line of a transfer: of an item at a place of hamburg."""
    return pb.Transfer.Line(item=item_name, quantity=q(value, unit_code), location=at(where), **given)


def unit_line(name: str) -> Any:
    """A whole handling unit."""
    return pb.Transfer.Line(handling_unit=name)


async def cheese(plant: Plant) -> str:
    """An item in pieces that are weighed."""
    weight = items_pb2.Item.CatchWeight(
        unit_code="KGM", step=Decimal(value="0.1"), nominal=Decimal(value="2"), tolerance_percent=Decimal(value="20")
    )
    return await item(plant, "cheese", catch_weight=weight)


async def way(plant: Plant) -> str:
    """A place of hamburg where goods are under way."""
    return str((await place(plant, fresh("way"), "TRANSIT")).name)


async def plan(plant: Plant, *lines: Any, transit: str = "", to: str = at("bin"), **given: Any) -> Any:
    """A transfer of hamburg in DRAFT."""
    transfer = pb.Transfer(lines=lines, transit_location=transit or await way(plant), to_location=to, **given)
    return await plant("sam", pb.CreateTransferRequest(parent=SITE, transfer=transfer))


async def release(plant: Plant, name: str) -> Any:
    return await plant("sam", pb.ReleaseTransferRequest(name=name))


async def ship(plant: Plant, name: str) -> Any:
    return await plant("sam", pb.ShipTransferRequest(name=name))


async def shipped(plant: Plant, *lines: Any, **given: Any) -> Any:
    """A transfer of hamburg that is under way."""
    row = await plan(plant, *lines, **given)
    await release(plant, row.name)
    return await ship(plant, row.name)


def arrival(row: Any, *goods: Any, **given: Any) -> Any:
    """What arrived of a transfer; without goods all of it."""
    return pb.ReceiveTransferRequest(parent=row.to_site, transfer=row.name, goods=goods, **given)


async def receive(plant: Plant, row: Any, *goods: Any, **given: Any) -> Any:
    return await plant("sam", arrival(row, *goods, **given))


def disposal(row: Any, disposition: str, *goods: Any, **given: Any) -> Any:
    return pb.DisposeDifferenceRequest(name=row.name, disposition=disposition, goods=goods, **given)


async def dispose(plant: Plant, row: Any, disposition: str, *goods: Any, **given: Any) -> Any:
    return await call(plant, "stella", disposal(row, disposition, *goods, **given))


async def other_site(plant: Plant, currency: str = "EUR") -> str:
    """Another site with dock, shelf and bin."""
    return await site(plant, fresh("site"), currency)


def lies(plant: Plant, item_name: str) -> dict[tuple[str, str], Any]:
    """(site, place) -> on hand of an item, real and virtual, where something is."""
    rows = plant.rows(
        "materials",
        "select site, location, sum(on_hand) from balance where item = %s group by 1, 2 having sum(on_hand) <> 0",
        item_name,
    )
    return {(where, location.rsplit("/", 1)[-1]): on_hand for where, location, on_hand in rows}


async def refused(plant: Plant, request: Any, person: str = "stella") -> Refused:
    """The refusal of a command, which changes nothing."""
    before = contents(plant)
    with pytest.raises(Refused) as found:
        await call(plant, person, request)
    assert contents(plant) == before
    return found.value


# --- to customers -------------------------------------------------------------------------------------------


def goes(item_name: str, value: Any = 1, unit_code: str = "H87", where: str = "shelf", **given: Any) -> Any:
    """A line of a shipment."""
    return sh.Shipment.Line(item=item_name, quantity=q(value, unit_code), location=at(where), **given)


def goes_whole(name: str) -> Any:
    """A whole handling unit of a shipment."""
    return sh.Shipment.Line(handling_unit=name)


async def ordered(plant: Plant, *lines: Any, **given: Any) -> Any:
    """A shipment in DRAFT."""
    shipment = sh.Shipment(lines=lines, customer=given.pop("customer", "Contoso"), **given)
    return await plant("sam", sh.CreateShipmentRequest(parent=SITE, shipment=shipment))


async def packed_up(plant: Plant, *lines: Any, **given: Any) -> Any:
    """A shipment that is packed."""
    row = await ordered(plant, *lines, **given)
    return await plant("sam", sh.PackShipmentRequest(name=row.name))


async def sent(plant: Plant, *lines: Any, **given: Any) -> Any:
    """A shipment that left."""
    row = await packed_up(plant, *lines, **given)
    return await plant("sam", sh.ShipShipmentRequest(name=row.name))


def back(row: Any, number: int, value: Any = 1, **given: Any) -> Any:
    """What a customer sends back of a line."""
    given = {"location": at("dock"), "reason_code": "DAMAGED", **given}
    return sh.ReceiveCustomerReturnRequest(name=row.name, line=number, quantity=q(value), **given)
