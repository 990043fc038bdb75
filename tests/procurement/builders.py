"""What tests of procurement need: sites, items, suppliers, policies, requisitions, orders; and events of partners."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

import pytest
from google.protobuf.message import Message
from google.type.date_pb2 import Date
from google.type.decimal_pb2 import Decimal
from google.type.money_pb2 import Money
from plantops.maintenance.v1 import sites_pb2
from plantops.materials.v1 import items_pb2
from plantops.materials.v1.events_pb2 import ReceiptPosted
from plantops.procurement.v1 import policies_pb2, purchase_orders_pb2, requisitions_pb2, suppliers_pb2
from plantops.type.v1.quantity_pb2 import Quantity

from services.chassis.clock import uuid7
from services.chassis.envelope import Envelope
from services.chassis.resource import key_of
from tests.plant import Refused
from tests.world import Plant

SITE = "sites/hamburg"
Tier = policies_pb2.ProcurementRevision.Tier
_numbers = count(1)


def unique(prefix: str) -> str:
    """An id that no other test has."""
    return f"{prefix}-{next(_numbers)}"


def money(amount: str, currency: str = "EUR") -> Money:
    """Money of decimal text."""
    units, _, rest = amount.partition(".")
    return Money(currency_code=currency, units=int(units), nanos=int(rest.ljust(9, "0")) if rest else 0)


def pieces(value: str, unit_code: str = "H87") -> Quantity:
    return Quantity(value=value, unit_code=unit_code)


def day(value: date) -> Date:
    return Date(year=value.year, month=value.month, day=value.day)


def price(break_quantity: str, amount: str, currency: str = "EUR", **days: date) -> Any:
    """A price row; from_date and to_date as dates."""
    return suppliers_pb2.SupplierItem.Price(
        break_quantity=Decimal(value=break_quantity),
        unit_price=money(amount, currency),
        **{name: day(value) for name, value in days.items()},
    )


async def site(plant: Plant, site_id: str = "hamburg", zone: str = "Europe/Berlin") -> str:
    """A site that procurement knows."""
    made = sites_pb2.Site(title=site_id, time_zone=zone, currency_code="EUR", country_code="DE")
    await plant("root", sites_pb2.CreateSiteRequest(site_id=site_id, site=made))
    await _known(plant, "site_fact", f"sites/{site_id}")
    return f"sites/{site_id}"


async def item(plant: Plant, **fields: Any) -> str:
    """An item that procurement knows."""
    item_id = unique("item")
    made = items_pb2.Item(
        **{"number": item_id, "title": item_id, "base_unit_code": "H87", "tracking": "NONE", **fields}
    )
    await plant("mara", items_pb2.CreateItemRequest(item_id=item_id, item=made))
    await _known(plant, "item_fact", f"items/{item_id}")
    return f"items/{item_id}"


async def _known(plant: Plant, table: str, name: str) -> None:
    async def read() -> Any:
        return plant.value("procurement", f"select 1 from {table} where name = %s", name)  # noqa: S608

    await plant.eventually(read, bool)


async def supplier(plant: Plant, *, active: bool = True, currency: str = "EUR") -> str:
    """A supplier made by ben, approved by otto."""
    supplier_id = unique("supplier")
    made = suppliers_pb2.Supplier(number=supplier_id, title="A company", currency_code=currency)
    await plant("ben", suppliers_pb2.CreateSupplierRequest(supplier_id=supplier_id, supplier=made))
    name = f"suppliers/{supplier_id}"
    if active:
        await plant("otto", suppliers_pb2.ActivateSupplierRequest(name=name))
    return name


async def offer(
    plant: Plant, supplier_name: str, item_name: str, prices: Sequence[tuple[str, str]] = (("0", "75"),), **fields: Any
) -> Any:
    """A supplier item; `prices` are (break, unit price)."""
    decimals = ("minimum_quantity", "multiple", "price_base_quantity", "over_percent")
    given = {name: Decimal(value=value) if name in decimals else value for name, value in fields.items()}
    made = suppliers_pb2.SupplierItem(
        **{
            "item": item_name,
            "unit_code": "H87",
            "lead_days": 3,
            "prices": [price(*row) for row in prices],
            **given,
        }
    )
    request = suppliers_pb2.CreateSupplierItemRequest(
        parent=supplier_name, supplier_item_id=unique("offer"), supplier_item=made
    )
    return await plant("ben", request)


async def bought_item(plant: Plant, prices: Sequence[tuple[str, str]] = (("0", "75"),), **fields: Any) -> str:
    """An item with one active supplier."""
    name = await item(plant)
    await offer(plant, await supplier(plant), name, prices, **fields)
    return name


async def activated(plant: Plant, policy: str, **content: Any) -> Any:
    """A new revision of a policy in force: written by ben, approved by ada."""
    revision = policies_pb2.ProcurementRevision(**content)
    made = await plant(
        "ben", policies_pb2.CreateProcurementRevisionRequest(parent=policy, procurement_revision=revision)
    )
    made = await plant("ben", policies_pb2.SubmitProcurementRevisionRequest(name=made.name))
    await plant("ada", policies_pb2.ApproveProcurementRevisionRequest(name=made.name, content_hash=made.content_hash))
    return await plant("ada", policies_pb2.ActivateProcurementRevisionRequest(name=made.name))


@asynccontextmanager
async def in_force(plant: Plant, kind: str, site_id: str = "hamburg", **content: Any) -> AsyncIterator[Any]:
    """A policy of a site with a revision in force while the body runs."""
    title = f"{kind} at {site_id}"
    request = policies_pb2.ListProcurementPoliciesRequest(filter=f'title = "{title}"')
    known = (await plant("vic", request)).procurement_policies
    if known:
        policy = known[0]
    else:
        made = policies_pb2.ProcurementPolicy(title=title, kind=kind, site=site_id)
        policy = await plant("ben", policies_pb2.CreateProcurementPolicyRequest(procurement_policy=made))
    revision = await activated(plant, policy.name, **content)
    try:
        yield revision
    finally:
        request = policies_pb2.GetProcurementPolicyRequest(name=policy.name)
        now = (await plant("vic", request)).active_revision
        await plant("ada", policies_pb2.RetireProcurementRevisionRequest(name=now, reason="the test is over"))


async def requisition(plant: Plant, item_name: str, quantity: str = "10", by: str = "mara", **fields: Any) -> Any:
    """A person's requisition."""
    parent = fields.pop("parent", SITE)
    made = requisitions_pb2.Requisition(item=item_name, quantity=pieces(quantity), **fields)
    return await plant(by, requisitions_pb2.CreateRequisitionRequest(parent=parent, requisition=made))


async def approved(plant: Plant, item_name: str, quantity: str = "10", by: str = "mara", **fields: Any) -> Any:
    """A requisition that may be ordered."""
    made = await requisition(plant, item_name, quantity, by, **fields)
    return await plant("ada", requisitions_pb2.ApproveRequisitionRequest(name=made.name))


async def read_need(plant: Plant, name: str) -> Any:
    return await plant("vic", requisitions_pb2.GetRequisitionRequest(name=name))


async def read_order(plant: Plant, name: str) -> Any:
    return await plant("vic", purchase_orders_pb2.GetPurchaseOrderRequest(name=name))


async def draft(plant: Plant, *needs: Any, by: str = "ben", supplier_name: str = "", parent: str = SITE) -> Any:
    """An order of requisitions."""
    names = [need if isinstance(need, str) else need.name for need in needs]
    request = purchase_orders_pb2.ConvertRequisitionsRequest(parent=parent, requisitions=names, supplier=supplier_name)
    return await plant(by, request)


async def submitted(plant: Plant, order: Any, by: str = "ben") -> Any:
    return await plant(by, purchase_orders_pb2.SubmitPurchaseOrderRequest(name=order.name))


async def approve(plant: Plant, order: Any, by: str = "ada") -> Any:
    """The approval of what was read."""
    request = purchase_orders_pb2.ApprovePurchaseOrderRequest(name=order.name, content_hash=order.content_hash)
    return await plant(by, request)


async def approved_order(plant: Plant, *needs: Any) -> Any:
    """An order that may be issued."""
    return await approve(plant, await submitted(plant, await draft(plant, *needs)))


async def issue(plant: Plant, order: Any) -> Any:
    return await plant("ben", purchase_orders_pb2.IssuePurchaseOrderRequest(name=order.name, channel="e-mail"))


async def issued(plant: Plant, item_name: str, *quantities: str) -> Any:
    """An order that is with the supplier, of one requisition for each quantity."""
    needs = [await approved(plant, item_name, quantity) for quantity in quantities or ("10",)]
    return await issue(plant, await approved_order(plant, *needs))


async def requisitions_of(plant: Plant, **equal: str) -> list[Any]:
    """Requisitions at the site by fields, oldest first."""
    words = " AND ".join(f'{name} = "{value}"' for name, value in equal.items())
    request = requisitions_pb2.ListRequisitionsRequest(parent=SITE, filter=words)
    found = (await plant("vic", request)).requisitions
    return sorted(found, key=lambda need: need.create_time.ToNanoseconds())


# --- events of partners ------------------------------------------------------------------------------------


class Partner:
    """Another service's part, played: its events reach procurement's real inbox."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.versions: dict[str, int] = {}

    def event(self, message: Message, correlation: str = "") -> tuple[Envelope, bytes]:
        """An event with its envelope; the version of its aggregate goes on by one."""
        descriptor = message.DESCRIPTOR
        aggregate = getattr(message, key_of(descriptor)[0])
        version = self.versions[aggregate] = self.versions.get(aggregate, 0) + 1
        message.version = version  # type: ignore[attr-defined]
        service = descriptor.file.package.split(".")[1]
        headers = {
            "ce-id": str(uuid7()),
            "ce-type": descriptor.full_name,
            "ce-time": datetime.now(UTC).isoformat(),
            "plantops-aggregate": aggregate,
            "plantops-version": str(version),
            "plantops-site": "hamburg",
            "plantops-correlation": correlation or aggregate,
            "plantops-actor": f"services/{service}",
        }
        subject = f"plantops.{service}.v1.{descriptor.name}.hamburg.x"
        return Envelope.of(subject, 1, headers), message.SerializeToString()

    async def tell(self, message: Message, correlation: str = "") -> str:
        """Tell it; says what the inbox did."""
        return await self.apply(*self.event(message, correlation))

    async def apply(self, envelope: Envelope, payload: bytes) -> str:
        """Deliver an event, perhaps again."""
        stream = envelope.type.split(".")[1].upper()
        consumers = self.plant.processes["procurement"].consumers
        inbox = next(consumer.inbox for consumer in consumers if consumer.inbox.stream == stream)
        return await inbox.apply(envelope, payload)


# --- refusals ----------------------------------------------------------------------------------------------

_STATE = (
    "requisition", "purchase_order", "purchase_order_line", "purchase_order_revision", "supplier", "supplier_item",
    "procurement_policy", "procurement_revision",
)  # fmt: skip


_COUNTED = ("outbox", "audit", "journal")
_CONTENT = "(select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {table} t)"
_COUNT = "(select count(*) from {table})"
_SNAPSHOT = "select " + ", ".join(
    [*(_CONTENT.format(table=table) for table in _STATE), *(_COUNT.format(table=table) for table in _COUNTED)]
)


def state_of(plant: Plant) -> list[Any]:
    """Content of procurement's tables, and how many events and audit records there are."""
    return plant.rows("procurement", _SNAPSHOT)


@contextmanager
def refused(plant: Plant, code: str, reason: str, *, field: str = "") -> Iterator[Any]:
    """The body is refused with code and reason (and for a field), and nothing has changed."""
    before = state_of(plant)
    with pytest.raises(Refused) as caught:
        yield caught
    found = caught.value
    assert (found.code, found.reason) == (code, reason), found
    assert found.domain == "procurement.plantops"
    if field:
        assert field in found.fields, found.fields
    assert state_of(plant) == before


# --- receipts, told by materials ----------------------------------------------------------------------------

_receipts = count(1)


def receipt_line(order: Any, quantity: str, *, line: int = 10, number: int = 1, status: str = "UNRESTRICTED") -> Any:
    """A line of a receipt of an order line whose order unit is its base unit."""
    return ReceiptPosted.Line(
        receipt_line=number, purchase_order=order.name, order_line=line, schedule_line=1, quantity=pieces(quantity),
        order_quantity=pieces(quantity), status=status,
    )  # fmt: skip


async def receive(plant: Plant, order: Any, quantity: str, *, status: str = "UNRESTRICTED") -> str:
    """A posted receipt of the first line, told in materials' place; gives its name."""
    name = f"{SITE}/receipts/played-{next(_receipts)}"
    await Partner(plant).tell(ReceiptPosted(receipt=name, lines=[receipt_line(order, quantity, status=status)]))
    return name
