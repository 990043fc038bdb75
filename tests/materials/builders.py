"""What tests of materials need: a site with places, items, stock, demands and orders, made as people and partners do.

`tell` lets a partner service tell an event through its own outbox, relay and stream.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from google.protobuf import symbol_database
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money
from plantops.maintenance.v1 import events_pb2 as maintenance
from plantops.maintenance.v1 import sites_pb2
from plantops.materials.v1 import (
    balances_pb2,
    handling_unit_types_pb2,
    handling_units_pb2,
    items_pb2,
    locations_pb2,
    lots_pb2,
    movements_pb2,
    receipts_pb2,
    reservations_pb2,
)
from plantops.procurement.v1 import events_pb2 as procurement
from plantops.type.v1.quantity_pb2 import Quantity

from tests.plant import tables
from tests.world import Plant

SITE = "sites/hamburg"
SUPPLIER = "suppliers/acme"
HEAD = {"-": ["storekeeper", "approver"]}
"""Roles of stella, the head of stores, who may also adjust, scrap and reverse."""


def q(value: str | int | Decimal, unit_code: str = "H87") -> Quantity:
    """A quantity, in pieces unless said otherwise."""
    return Quantity(value=str(value), unit_code=unit_code)


def eur(units: int, cents: int = 0) -> Money:
    """An amount in euro."""
    return Money(currency_code="EUR", units=units, nanos=cents * 10_000_000)


def day(value: date) -> Date:
    """A calendar day."""
    return Date(year=value.year, month=value.month, day=value.day)


def ago(**given: float) -> Timestamp:
    """An instant so long ago."""
    found = Timestamp()
    found.FromDatetime(datetime.now(UTC) - timedelta(**given))
    return found


def fresh(prefix: str) -> str:
    """An id that no other test uses."""
    return f"{prefix}-{uuid4().hex[:10]}"


def at(name: str) -> str:
    """Name of a place of the site."""
    return f"{SITE}/locations/{name}"


async def call(plant: Plant, person: str, request: Any) -> Any:
    """Call an rpc as a person of the cast or as stella."""
    if person == "stella":
        return await plant.client("materials", "people/stella", HEAD)(request)
    return await plant(person, request)


async def site(plant: Plant, site_id: str = "hamburg", currency: str = "EUR", zone: str = "Europe/Berlin") -> str:
    """A site with a dock, two shelves and a group, and the virtual locations that come with it."""
    await plant(
        "root",
        sites_pb2.CreateSiteRequest(
            site_id=site_id,
            site=sites_pb2.Site(title=site_id, time_zone=zone, currency_code=currency, country_code="DE"),
        ),
    )
    stella = maintenance.PersonChanged(person="people/stella", state="ACTIVE")
    for role in HEAD["-"]:
        stella.grants.add(role=role, site="-").from_time.CopyFrom(ago(days=1))
    await tell(plant, "maintenance", numbered(stella, "people/stella"))
    for name, kind in (("dock", "DOCK"), ("shelf", "STORAGE"), ("bin", "STORAGE"), ("hall", "GROUP")):
        await place(plant, name, kind, parent=f"sites/{site_id}")
    return f"sites/{site_id}"


async def place(plant: Plant, name: str, kind: str = "STORAGE", *, parent: str = SITE, **given: Any) -> Any:
    """A location."""
    location = locations_pb2.Location(title=name, kind=kind, **given)
    return await plant("mara", locations_pb2.CreateLocationRequest(parent=parent, location_id=name, location=location))


async def item(plant: Plant, prefix: str = "item", **given: Any) -> str:
    """An item kept in pieces without lots unless said otherwise; gives its name."""
    name = fresh(prefix)
    values = {"number": name.upper(), "title": name, "base_unit_code": "H87", "tracking": "NONE", **given}
    return str((await plant("mara", items_pb2.CreateItemRequest(item_id=name, item=items_pb2.Item(**values)))).name)


async def lot(plant: Plant, parent: str, number: str = "", **given: Any) -> str:
    """A lot of an item; gives its name."""
    made = await plant(
        "sam", lots_pb2.CreateLotRequest(parent=parent, lot=lots_pb2.Lot(number=number or fresh("L"), **given))
    )
    return str(made.name)


def movement(kind: str, item_name: str, value: str | int | Decimal, **given: Any) -> movements_pb2.Movement:
    """A movement in pieces unless `unit_code` says otherwise."""
    unit_code = given.pop("unit_code", "H87")
    if kind in ("SCRAP", "ADJUST"):
        given.setdefault("reason_code", "TEST")
    return movements_pb2.Movement(kind=kind, item=item_name, quantity=q(value, unit_code), **given)


async def post(plant: Plant, what: movements_pb2.Movement, *, person: str = "stella", parent: str = SITE) -> Any:
    """Post one movement."""
    return await call(plant, person, movements_pb2.CreateMovementRequest(parent=parent, movement=what))


async def stocked(plant: Plant, item_name: str, value: str | int, where: str = "shelf", **given: Any) -> Any:
    """Opening stock at a place."""
    return await post(plant, movement("OPENING", item_name, value, to_location=at(where), **given))


async def batch(plant: Plant, whats: Sequence[movements_pb2.Movement], person: str = "stella") -> list[Any]:
    """Post many movements; gives the outcomes."""
    entries = [
        movements_pb2.CreateMovementRequest(parent=SITE, movement=what, request_id=str(uuid4())) for what in whats
    ]
    answer = await call(plant, person, movements_pb2.BatchCreateMovementsRequest(parent=SITE, requests=entries))
    return list(answer.outcomes)


def reason(outcome: Any) -> str:
    """Reason of a refused outcome, "" for one that was done."""
    if not outcome.HasField("status"):
        return ""
    info = error_details_pb2.ErrorInfo()
    for detail in outcome.status.details:
        if detail.Unpack(info):
            return str(info.reason)
    return f"code {outcome.status.code}"


async def balances(plant: Plant, item_name: str) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    """(place, status) -> (on hand, reserved) of an item without lots."""
    answer = await plant("vic", balances_pb2.ListBalancesRequest(parent=SITE, filter=f'item = "{item_name}"'))
    return {
        (row.location.rsplit("/", 1)[-1], balances_pb2.Balance.Status.Name(row.status)): (
            Decimal(row.on_hand.value),
            Decimal(row.reserved.value),
        )
        for row in answer.balances
    }


_BY_OTHERS = {
    "idempotency", "inbox", "applied", "audit", "consumer_position", "waiting_event", "job_run", "ledger_seal",
    "ledger_head", "need_cover",
}  # fmt: skip


def contents(plant: Plant) -> dict[str, int]:
    """Rows of each table, apart from those that events under way and jobs write to at any time."""
    with plant.look("materials") as connection:
        return {name: count for name, count in tables(connection).items() if name not in _BY_OTHERS}


def worth(plant: Plant, item_name: str) -> tuple[Decimal, Decimal, Decimal]:
    """(quantity, value, variance) of an item's stock."""
    found = plant.rows("materials", "select quantity, value, variance from value_balance where item = %s", item_name)
    return found[0] if found else (Decimal(0), Decimal(0), Decimal(0))


async def check(plant: Plant, name: str = SITE) -> list[str]:
    """What the check of the ledger finds."""
    return list((await plant("opal", movements_pb2.CheckLedgerRequest(name=name))).findings)


# --- what partners tell -------------------------------------------------------------------------------------


async def tell(plant: Plant, service: str, *events: Message, correlation: str = "") -> None:
    """Let a partner tell events and wait until materials has them; what others do then may still be under way."""
    async with plant.processes[service].commands.open_unit() as unit:
        unit.emit(*events, correlation=correlation)
        ids = [row.event_id for row in unit._events]

    async def heard() -> int:
        return int(plant.value("materials", "select count(*) from inbox where event_id = any(%s)", ids))

    await plant.eventually(heard, lambda count: count >= len(events))


_versions: dict[str, int] = {}


def begin() -> None:
    """A new plant: every aggregate of a partner begins with its first event."""
    _versions.clear()


def numbered(event: Any, aggregate: str) -> Any:
    """The event as the next one of its aggregate."""
    _versions[aggregate] = event.version = _versions.get(aggregate, 0) + 1
    return event


def work_order() -> str:
    """Name of a work order that no other test uses."""
    return f"{SITE}/workOrders/{fresh('wo')}"


def approval(
    order: str,
    demands: Mapping[str, tuple[str, str | int]],
    *,
    version: int = 1,
    need: datetime | None = None,
    priority: int = 3,
    unit_code: str = "H87",
) -> Any:
    """WorkOrderApproved with demands: id -> (item, quantity)."""
    event = maintenance.WorkOrderApproved(work_order=order, demand_version=version, priority=priority)
    for key, (item_name, value) in demands.items():
        row = event.part_demands.add(demand=key, item=item_name, quantity=q(value, unit_code))
        if need is not None:
            row.need_time.FromDatetime(need)
    return numbered(event, order)


async def approve(plant: Plant, order: str, demands: Mapping[str, tuple[str, str | int]], **given: Any) -> None:
    """Maintenance approves an order with demands."""
    await tell(plant, "maintenance", approval(order, demands, **given), correlation=order)


async def unit_type(plant: Plant, **given: Any) -> str:
    """A type of handling units; gives its name."""
    kind = handling_unit_types_pb2.HandlingUnitType(**{"title": "pallet", **given})
    made = await plant("mara", handling_unit_types_pb2.CreateHandlingUnitTypeRequest(handling_unit_type=kind))
    return str(made.name)


async def handling_units(plant: Plant, kind: str, count: int = 1, where: str = "shelf") -> list[Any]:
    """New handling units at a place, with SSCCs of the company's range."""
    entry = handling_units_pb2.HandlingUnit(handling_unit_type=kind, location=at(where))
    requests = [
        handling_units_pb2.CreateHandlingUnitRequest(parent=SITE, handling_unit=entry, request_id=str(uuid4()))
        for _ in range(count)
    ]
    answer = await plant("sam", handling_units_pb2.BatchCreateHandlingUnitsRequest(parent=SITE, requests=requests))
    assert [reason(outcome) for outcome in answer.outcomes] == [""] * count
    return [outcome.handling_unit for outcome in answer.outcomes]


def packed(item_name: str, value: str | int | Decimal, unit_code: str = "H87", **given: Any) -> Any:
    """Content to put into a handling unit or to take out of it."""
    return handling_units_pb2.HandlingUnitContent(item=item_name, quantity=q(value, unit_code), **given)


async def pack(plant: Plant, name: str, *contents: Any, **given: Any) -> Any:
    """Put stock into a handling unit from its place."""
    return await plant("sam", handling_units_pb2.PackHandlingUnitRequest(name=name, contents=contents, **given))


async def reserved(plant: Plant, item_name: str, value: str | int, **given: Any) -> Any:
    """A reservation of a new work order; gives it as it stands."""
    order = work_order()
    await approve(plant, order, {"d1": (item_name, value)}, **given)
    return await claim_of(plant, order)


async def claim_of(plant: Plant, order: str, demand: str = "d1") -> Any:
    """The reservation of an order's demand."""
    answer = await plant("vic", reservations_pb2.ListReservationsRequest(parent=SITE, filter=f'work_order = "{order}"'))
    return next(row for row in answer.reservations if row.demand == demand)


def ordered(
    kind: Any,
    order: str,
    item_name: str,
    value: str | int,
    *,
    limit: str | int | None = None,
    unit_code: str = "H87",
    factor: tuple[int, int] = (1, 1),
    price: Money | None = None,
    expected: date | None = None,
    open_quantity: str | int | None = None,
    supplier: str = SUPPLIER,
    to: str = "shelf",
    **reference: Any,
) -> Any:
    """PurchaseOrderIssued or PurchaseOrderChanged with one line, to a place or ("") to none."""
    event = kind(purchase_order=order, number=order, supplier=supplier, currency_code="EUR")
    line = event.lines.add(line=1, kind="STOCK", item=item_name, unit_price=price)
    schedule = line.schedules.add(
        schedule=1, quantity=q(value, unit_code),
        open_quantity=q(value if open_quantity is None else open_quantity, unit_code),
        accept_limit=q(value if limit is None else limit, unit_code), base_numerator=factor[0],
        base_denominator=factor[1], delivery_location=at(to) if to else "",
    )  # fmt: skip
    if expected is not None:
        schedule.expected_date.CopyFrom(day(expected))
    if reference:
        line.references.add(quantity=q(value, unit_code), **reference)
    return numbered(event, order)


def purchase_order() -> str:
    """Name of a purchase order that no other test uses."""
    return f"{SITE}/purchaseOrders/{fresh('po')}"


async def expected(plant: Plant, item_name: str, value: str | int, **given: Any) -> str:
    """Procurement issues an order; gives the name of the expected receipt."""
    order = given.pop("order", "") or purchase_order()
    await tell(
        plant, "procurement", ordered(procurement.PurchaseOrderIssued, order, item_name, value, **given),
        correlation=order,
    )  # fmt: skip
    return f"{SITE}/expectedReceipts/{order.rsplit('/', 1)[-1]}-1-1"


async def arrived(plant: Plant, supplier: str = SUPPLIER) -> Any:
    """A receipt at the dock."""
    return await plant("sam", receipts_pb2.StartReceiptRequest(parent=SITE, supplier=supplier, location=at("dock")))


async def counted(plant: Plant, receipt: str, *lines: receipts_pb2.AddReceiptLineRequest) -> list[Any]:
    """Count lines in; gives the outcomes."""
    for line in lines:
        line.request_id = line.request_id or str(uuid4())
    answer = await plant("sam", receipts_pb2.BatchAddReceiptLinesRequest(parent=receipt, requests=lines))
    return list(answer.outcomes)


def scanned(item_name: str, value: str | int, **given: Any) -> receipts_pb2.AddReceiptLineRequest:
    """A line to count in, in pieces unless said otherwise."""
    unit_code = given.pop("unit_code", "H87")
    return receipts_pb2.AddReceiptLineRequest(item=item_name, quantity=q(value, unit_code), **given)


async def received(plant: Plant, *lines: receipts_pb2.AddReceiptLineRequest) -> Any:
    """A posted receipt of lines that all fit."""
    receipt = await arrived(plant)
    outcomes = await counted(plant, receipt.name, *lines)
    assert [reason(outcome) for outcome in outcomes] == [""] * len(lines)
    return await plant("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))


# --- what materials told ------------------------------------------------------------------------------------


def told(plant: Plant, *kinds: str, after: int = 0) -> list[Any]:
    """Events that materials told, in the order of its outbox; of some kinds, behind a position."""
    rows = plant.rows("materials", "select aggregate_type, payload from outbox where pos > %s order by pos", after)
    found = []
    for kind, payload in rows:
        if not kinds or kind in kinds:
            symbol = symbol_database.Default().GetSymbol(f"plantops.materials.v1.{kind}")
            found.append(symbol.FromString(payload))
    return found


def kinds_told(plant: Plant, after: int) -> list[str]:
    """Kinds of the events told behind a position, in order."""
    return [event.DESCRIPTOR.name for event in told(plant, after=after)]


def position(plant: Plant) -> int:
    """The end of materials' outbox."""
    return int(plant.value("materials", "select coalesce(max(pos), 0) from outbox"))
