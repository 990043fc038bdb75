"""Loading the sample plant through the public API, as the people who would do it.

Every request has an id derived from what it makes, so that a load that broke off goes on where it stopped and
a second one changes nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from google.protobuf.message import Message
from google.type.date_pb2 import Date
from google.type.decimal_pb2 import Decimal as DecimalText
from google.type.money_pb2 import Money
from plantops.maintenance.v1 import assets_pb2, calendars_pb2, meters_pb2, people_pb2, sites_pb2
from plantops.maintenance.v1 import policies_pb2 as plans_pb2
from plantops.materials.v1 import items_pb2, locations_pb2, lots_pb2, movements_pb2
from plantops.materials.v1 import policies_pb2 as stock_pb2
from plantops.procurement.v1 import policies_pb2 as buying_pb2
from plantops.procurement.v1 import suppliers_pb2
from plantops.type.v1.quantity_pb2 import Quantity

from cli.samples import equipment, stock, supply
from cli.samples.people import NEED_SECOND_PERSON, SITE, STAFF
from cli.session import Refused, Session
from services.chassis.wire import money

SITE_NAME = f"sites/{SITE}"
PARALLEL = 16
GRANTS_SECONDS = 30.0
FIRST, SECOND = "people/hanna", "people/oskar"

Say = Callable[[str], None]


async def load(session: Session, say: Say) -> None:
    """Load what is missing of the sample plant; says what it does."""
    async with session:
        loader = Loader(session)
        if await loader.loaded():
            say("sample plant: its data are there")
            return
        begin = time.monotonic()
        for title, step in (
            ("site, calendar and people", loader.people),
            ("items and locations", loader.stores),
            ("suppliers, prices and buying policies", loader.buying),
            ("assets, meters and maintenance policies", loader.machines),
            ("stock on hand and reorder policies", loader.opening),
        ):
            say(f"sample plant: {title}")
            await step()
        say(f"sample plant: loaded in {time.monotonic() - begin:.0f} s ({loader.made} records)")


class Loader:
    """One load."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.made = 0
        self._limit = asyncio.Semaphore(PARALLEL)

    async def loaded(self) -> bool:
        """Whether a load came to its end: the last thing it makes is in force."""
        last = _last_policy()
        try:
            policy = await self.session.call(FIRST, stock_pb2.GetMaterialsPolicyRequest(name=last))
        except Refused:
            return False
        return bool(policy.active_revision)

    # --- steps ----------------------------------------------------------------------------------------------

    async def people(self) -> None:
        """Site, calendar, people and grants; then wait until every service knows the grants."""
        site = sites_pb2.Site(title="Hamburg aggregates plant", time_zone="Europe/Berlin", currency_code="EUR",
                              country_code="DE")  # fmt: skip
        await self.make(FIRST, sites_pb2.CreateSiteRequest(site_id=SITE, site=site), SITE_NAME)
        calendar = calendars_pb2.Calendar(title="Two shifts, Monday to Friday")
        for day in range(1, 6):
            calendar.patterns.add(day_of_week=day, start="06:00", end="14:00")
            calendar.patterns.add(day_of_week=day, start="14:00", end="22:00")
        await self.make(
            FIRST,
            calendars_pb2.CreateCalendarRequest(parent=SITE_NAME, calendar_id="two-shifts", calendar=calendar),
            "calendar",
        )
        await self.together(self._member(member.person, member.name, member.grants) for member in STAFF)
        self.session.forget_tokens()
        await self._grants_arrived()

    async def _member(self, person: str, name: str, grants: tuple[tuple[str, str], ...]) -> None:
        full = f"people/{person}"
        await self.make(
            FIRST, people_pb2.CreatePersonRequest(person_id=person, person=people_pb2.Person(display_name=name)), full
        )
        for number, (role, site) in enumerate(grants, 1):
            key = f"{full} {role} {site}"
            await self.make(FIRST, people_pb2.GrantRoleRequest(name=full, role=role, site=site), key)
            if role in NEED_SECOND_PERSON:
                await self.make(SECOND, people_pb2.ConfirmGrantRequest(name=full, grant=number), f"{key} confirmed")

    async def _grants_arrived(self) -> None:
        """A grant counts in a service when PersonChanged has arrived there; a read shows whether it has."""
        until = time.monotonic() + GRANTS_SECONDS
        for member in STAFF:
            for request in (
                items_pb2.ListItemsRequest(page_size=1),
                suppliers_pb2.ListSuppliersRequest(page_size=1),
                locations_pb2.ListLocationsRequest(parent=SITE_NAME, page_size=1),
            ):
                while True:
                    try:
                        await self.session.call(f"people/{member.person}", request)
                        break
                    except Refused as refusal:
                        if refusal.code != "PERMISSION_DENIED" or time.monotonic() > until:
                            raise
                        await asyncio.sleep(0.05)

    async def stores(self) -> None:
        """Items, then locations level by level."""
        await self.together(self._item(item) for item in stock.items())
        known: set[str] = {""}
        rest = stock.locations()
        while rest:
            ready = [location for location in rest if location.parent in known]
            await self.together(self._location(location) for location in ready)
            known |= {location.id for location in ready}
            rest = [location for location in rest if location.id not in known]

    async def _item(self, item: stock.SampleItem) -> None:
        message = items_pb2.Item(
            number=item.number,
            title=item.title,
            item_class=item.item_class,
            base_unit_code=item.unit_code,
            base_step=DecimalText(value=stock.text(item.step)),
            tracking="LOT" if item.lots else "NONE",
            gtins=[item.gtin],
            inspect_receipts=item.inspect,
            standard_cost=money(item.cost, "EUR"),
        )
        if item.pack is not None:
            message.conversions.add(unit_code=item.pack[0], numerator=item.pack[1], denominator=item.pack[2])
        await self.make("people/mara", items_pb2.CreateItemRequest(item_id=item.id, item=message), f"items/{item.id}")

    async def _location(self, location: stock.SampleLocation) -> None:
        message = locations_pb2.Location(
            title=location.title,
            kind=location.kind,
            check_code=location.check_code,
            path_order=location.path_order,
            parent_location=f"{SITE_NAME}/locations/{location.parent}" if location.parent else "",
        )
        request = locations_pb2.CreateLocationRequest(parent=SITE_NAME, location_id=location.id, location=message)
        await self.make("people/mara", request, f"locations/{location.id}")

    async def buying(self) -> None:
        """Suppliers with what they sell, approved by a second buyer; sourcing and approval policies."""
        await self.together(self._supplier(supplier) for supplier in supply.SUPPLIERS)
        await self._buying_policy("sourcing", "SOURCE", "How a supplier is chosen", choice="RANK")
        tiers = buying_pb2.ProcurementRevision.Tier
        await self._buying_policy(
            "approval", "APPROVE", "Who approves what",
            requisition_tiers=[tiers(up_to=_euro(supply.REQUISITION_AUTOMATIC_UP_TO), automatic=True)],
            order_tiers=[tiers(up_to=_euro(supply.ORDER_AUTOMATIC_UP_TO), automatic=True)],
            ceiling=_euro(supply.CEILING),
        )  # fmt: skip

    async def _supplier(self, supplier: supply.SampleSupplier) -> None:
        name = f"suppliers/{supplier.id}"
        message = suppliers_pb2.Supplier(
            number=supplier.number, title=supplier.title, currency_code="EUR", country_code=supplier.country,
            email=f"orders@{supplier.id}.example",
        )  # fmt: skip
        ben = "people/ben"
        await self.make(ben, suppliers_pb2.CreateSupplierRequest(supplier_id=supplier.id, supplier=message), name)
        await self.make("people/bea", suppliers_pb2.ActivateSupplierRequest(name=name), f"{name} active")
        await self.together(
            self._supplier_item(name, supplier, item) for item in stock.items() if item.item_class in supplier.sells
        )

    async def _supplier_item(self, parent: str, supplier: supply.SampleSupplier, item: stock.SampleItem) -> None:
        message = suppliers_pb2.SupplierItem(
            item=f"items/{item.id}", unit_code=item.unit_code, part_number=f"{supplier.number}-{item.number}",
            multiple=DecimalText(value=stock.text(supplier.multiple)), lead_days=supplier.lead_days,
            rank=supplier.rank, over_percent=DecimalText(value="10"),
        )  # fmt: skip
        if supplier.minimum:
            message.minimum_quantity.value = stock.text(supplier.minimum)
        for quantity, price in supply.prices(item.cost, supplier.level):
            message.prices.add(break_quantity=DecimalText(value=stock.text(quantity)), unit_price=money(price, "EUR"))
        request = suppliers_pb2.CreateSupplierItemRequest(
            parent=parent, supplier_item_id=item.id, supplier_item=message
        )
        await self.make("people/ben", request, f"{parent}/{item.id}")

    async def _buying_policy(self, id_: str, kind: str, title: str, **content: Any) -> None:
        name = f"procurementPolicies/{id_}"
        policy = buying_pb2.ProcurementPolicy(title=title, kind=kind)
        await self.make(
            "people/ben",
            buying_pb2.CreateProcurementPolicyRequest(procurement_policy_id=id_, procurement_policy=policy),
            name,
        )
        revision = buying_pb2.ProcurementRevision(**content)
        await self.in_force(
            "people/ben", buying_pb2, "Procurement", name,
            buying_pb2.CreateProcurementRevisionRequest(parent=name, procurement_revision=revision),
        )  # fmt: skip

    async def machines(self) -> None:
        """Assets from the root down, meters with a first reading, policies in force and assigned."""
        for asset in equipment.ASSETS:
            await self._asset(asset)
        await self.together(self._meter(asset) for asset in equipment.ASSETS if asset.meter)
        await self.together(self._plan(policy) for policy in equipment.POLICIES)

    async def _asset(self, asset: equipment.SampleAsset) -> None:
        name = f"{SITE_NAME}/assets/{asset.id}"
        message = assets_pb2.Asset(
            number=asset.number, title=asset.title, criticality=asset.criticality, tag=f"EQ-{asset.number}",
            cost_centre=asset.cost_centre,
            parent_asset=f"{SITE_NAME}/assets/{asset.parent}" if asset.parent else "",
            delivery_location=f"{SITE_NAME}/locations/{asset.staging}" if asset.staging else "",
        )  # fmt: skip
        paul = "people/paul"
        await self.make(paul, assets_pb2.CreateAssetRequest(parent=SITE_NAME, asset_id=asset.id, asset=message), name)
        await self.make(paul, assets_pb2.ChangeAssetStateRequest(name=name, state="IN_SERVICE"), f"{name} in service")

    async def _meter(self, asset: equipment.SampleAsset) -> None:
        parent = f"{SITE_NAME}/assets/{asset.id}"
        message = meters_pb2.Meter(
            title="Running hours", unit_code="HUR", max_rate=DecimalText(value="24"),
            initial_value=DecimalText(value=asset.meter or "0"),
        )  # fmt: skip
        request = meters_pb2.CreateMeterRequest(parent=parent, meter_id="hours", meter=message)
        await self.make("people/paul", request, f"{parent}/meters/hours")

    async def _plan(self, policy: equipment.SamplePolicy) -> None:
        name = f"maintenancePolicies/{policy.id}"
        message = plans_pb2.MaintenancePolicy(title=policy.title, statutory=policy.statutory)
        await self.make(
            "people/petra",
            plans_pb2.CreateMaintenancePolicyRequest(maintenance_policy_id=policy.id, maintenance_policy=message),
            name,
        )
        revision = plans_pb2.MaintenanceRevision(
            kind="METER_FIXED" if policy.hours else "FIXED", order_title=policy.order_title,
            order_priority=policy.priority, estimated_hours=DecimalText(value=policy.estimated_hours),
            interval_months=policy.months, interval_days=policy.days, lead_days=0 if policy.hours else 7,
        )  # fmt: skip
        if policy.hours:
            revision.usage_interval.value = policy.hours
        for text in policy.steps:
            revision.steps.add(text=text, mandatory=True)
        for item, quantity, unit in policy.parts:
            revision.part_demands.add(
                item=f"items/{item}", quantity=Quantity(value=quantity, unit_code=unit), mandatory=True
            )
        await self.in_force(
            "people/petra", plans_pb2, "Maintenance", name,
            plans_pb2.CreateMaintenanceRevisionRequest(parent=name, maintenance_revision=revision),
        )  # fmt: skip
        today = datetime.now(UTC).date()
        anchor = Date(year=today.year, month=today.month, day=today.day)
        for asset in policy.assets:
            parent = f"{SITE_NAME}/assets/{asset}"
            request = plans_pb2.AssignMaintenancePolicyRequest(parent=parent, policy=name)
            if policy.hours:
                request.meter = f"{parent}/meters/hours"
            else:
                request.anchor_date.CopyFrom(anchor)
            await self.make("people/paul", request, f"{parent} {name}")

    async def opening(self) -> None:
        """Opening stock by the head of stores, then the reorder policies: the last one ends the load."""
        requests = [
            movements_pb2.CreateMovementRequest(
                parent=SITE_NAME, movement=await self._opening(item, place, quantity), request_id=_id(f"opening {item.id}")
            )
            for item, place, quantity in stock.openings()
        ]  # fmt: skip
        for begin in range(0, len(requests), 100):
            answer = await self.session.call(
                "people/stella",
                movements_pb2.BatchCreateMovementsRequest(parent=SITE_NAME, requests=requests[begin : begin + 100]),
            )
            for outcome in answer.outcomes:
                if outcome.WhichOneof("outcome") == "status":
                    raise Refused("FAILED_PRECONDITION", f"opening stock: {outcome.status.message}")
                self.made += 1
        reordered = [item for item in stock.items() if item.reorder is not None]
        await self.together(self._reorder(item) for item in reordered[:-1])
        await self._reorder(reordered[-1])

    async def _opening(self, item: stock.SampleItem, place: str, quantity: Any) -> movements_pb2.Movement:
        message = movements_pb2.Movement(
            kind="OPENING", item=f"items/{item.id}", to_location=f"{SITE_NAME}/locations/{place}",
            quantity=Quantity(value=stock.text(quantity), unit_code=item.unit_code),
        )  # fmt: skip
        if item.lots:
            lot = f"items/{item.id}/lots/opening"
            request = lots_pb2.CreateLotRequest(
                parent=f"items/{item.id}", lot_id="opening", lot=lots_pb2.Lot(number=f"OP-{item.number}")
            )
            await self.make("people/mara", request, lot)
            message.lot = lot
        return message

    async def _reorder(self, item: stock.SampleItem) -> None:
        assert item.reorder is not None
        name = f"materialsPolicies/{item.id}"
        policy = stock_pb2.MaterialsPolicy(title=f"Reorder {item.title}", item=f"items/{item.id}", site=SITE)
        await self.make(
            "people/mara",
            stock_pb2.CreateMaterialsPolicyRequest(materials_policy_id=item.id, materials_policy=policy),
            name,
        )
        revision = stock_pb2.MaterialsRevision(
            kind="REORDER_POINT",
            reorder_point=DecimalText(value=stock.text(item.reorder[0])),
            order_quantity=DecimalText(value=stock.text(item.reorder[1])),
            lead_days=7,
        )
        await self.in_force(
            "people/mara", stock_pb2, "Materials", name,
            stock_pb2.CreateMaterialsRevisionRequest(parent=name, materials_revision=revision),
        )  # fmt: skip

    # --- how ------------------------------------------------------------------------------------------------

    async def in_force(self, author: str, contract: Any, service: str, policy: str, create: Message) -> None:
        """First revision of a policy: written, submitted, approved and activated by the plant manager."""
        name = f"{policy}/revisions/r1"
        found = await self.make(author, create, f"{name}")
        assert found is not None, f"{policy} has revisions that the sample did not make"
        if found.state == found.ACTIVE:
            return
        submit = getattr(contract, f"Submit{service}RevisionRequest")(name=name)
        submitted = await self.make(author, submit, f"{name} submitted")
        assert submitted is not None
        approve = getattr(contract, f"Approve{service}RevisionRequest")(name=name, content_hash=submitted.content_hash)
        await self.make("people/ada", approve, f"{name} approved")
        activate = getattr(contract, f"Activate{service}RevisionRequest")(name=name)
        await self.make("people/ada", activate, f"{name} active")

    async def make(self, person: str, request: Message, key: str) -> Any:
        """Make one thing once; None when it stood there already."""
        request.request_id = _id(key)  # type: ignore[attr-defined]
        try:
            async with self._limit:
                found = await self.session.call(person, request)
        except Refused as refusal:
            if refusal.code == "ALREADY_EXISTS":
                return None
            raise
        self.made += 1
        return found

    async def together(self, work: Iterable[Awaitable[None]]) -> None:
        """Do independent things side by side; `make` bounds how many calls are under way."""
        await asyncio.gather(*work)


def _last_policy() -> str:
    return f"materialsPolicies/{[item.id for item in stock.items() if item.reorder is not None][-1]}"


def _id(key: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"plantops sample {key}"))


def _euro(units: int) -> Money:
    return Money(currency_code="EUR", units=units)
