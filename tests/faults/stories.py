"""What the people of the plants do while it is hurt: single movements, and chains of work through all services."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from google.type.decimal_pb2 import Decimal as DecimalText
from google.type.money_pb2 import Money
from plantops.maintenance.v1 import assets_pb2, meters_pb2, sites_pb2, work_orders_pb2
from plantops.maintenance.v1 import policies_pb2 as plans_pb2
from plantops.materials.v1 import (
    balances_pb2,
    inspections_pb2,
    items_pb2,
    locations_pb2,
    movements_pb2,
    receipts_pb2,
    reservations_pb2,
    tasks_pb2,
)
from plantops.procurement.v1 import purchase_orders_pb2, requisitions_pb2, suppliers_pb2
from plantops.type.v1.quantity_pb2 import Quantity

from services.chassis.wire import canonical
from tests.faults.commands import Caller, Refused, Unanswered
from tests.faults.plan import Plan, Story

ASSETS = 4
SHELVES = ("shelf-1", "shelf-2", "shelf-3")
PLENTY = 500


def pieces(value: object) -> Quantity:
    """So many pieces."""
    return Quantity(value=canonical(Decimal(str(value))), unit_code="H87")


@dataclass(frozen=True, slots=True)
class Cast:
    """What the stories of a run are about: names that no other run uses."""

    mark: str
    sites: tuple[str, ...]
    stocked: tuple[str, ...]
    """Items with opening stock on every shelf of every site."""
    bought: str
    """An item that is kept in lots, inspected, and only there when somebody has bought it."""
    supplier: str
    policy: str
    assets: int
    """Presses at each site."""

    @classmethod
    def of(cls, mark: str, sites: int, assets: int) -> "Cast":
        """The cast of a run."""
        return cls(
            mark, tuple(f"sites/{mark}-{letter}" for letter in "abcdef"[:sites]),
            (f"items/{mark}-bolt", f"items/{mark}-seal"), f"items/{mark}-filter", f"suppliers/{mark}",
            f"maintenancePolicies/{mark}", assets,
        )  # fmt: skip


@dataclass
class Ended:
    """How a story ended: done, refused (by what), or unanswered (what is still open)."""

    story: Story
    how: str
    why: str = ""


class Stage:
    """Sets the cast up, and tells the stories of a plan."""

    def __init__(self, caller: Caller, plan: Plan, mark: str, assets: int = ASSETS) -> None:
        self.caller = caller
        self.plan = plan
        self.cast = Cast.of(mark, plan.sites, assets)
        self.ended: list[Ended] = []

    # --- the stage ------------------------------------------------------------------------------------------

    async def set_up(self) -> None:
        """Sites, items, a supplier, assets with meters and a policy, opening stock."""
        cast, do = self.cast, self.caller.do
        price = suppliers_pb2.SupplierItem.Price(
            break_quantity=DecimalText(value="0"), unit_price=Money(currency_code="EUR", units=75)
        )
        await asyncio.gather(*(self._site(site) for site in cast.sites), *(self._item(n) for n in cast.stocked))
        await self._item(cast.bought, tracking="LOT", inspect_receipts=True)
        name = cast.supplier.partition("/")[2]
        supplier = suppliers_pb2.Supplier(number=name, title="Acme", currency_code="EUR")
        await do("ben", suppliers_pb2.CreateSupplierRequest(supplier_id=name, supplier=supplier))
        await do("otto", suppliers_pb2.ActivateSupplierRequest(name=cast.supplier))
        for item in (cast.bought, *cast.stocked):
            row = suppliers_pb2.SupplierItem(item=item, unit_code="H87", lead_days=3, rank=1, prices=[price])
            request = suppliers_pb2.CreateSupplierItemRequest(
                parent=cast.supplier, supplier_item_id=item.partition("/")[2], supplier_item=row
            )
            await self._when_known("ben", request)
        await self._policy()
        await asyncio.gather(*(self._asset(site, number) for site in cast.sites for number in range(cast.assets)))

    async def _when_known(self, person: str, request: Any) -> Any:
        """A command that names what another service has to hear of first; each attempt is a command of its own."""

        async def attempt() -> Any:
            copy = type(request)()
            copy.CopyFrom(request)
            try:
                return await self.caller.do(person, copy)
            except Refused as refusal:
                if refusal.code not in {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}:
                    raise
                return None

        return await self.caller.until(f"{request.DESCRIPTOR.name}", attempt)

    async def _site(self, name: str) -> None:
        site = sites_pb2.Site(title="Plant", time_zone="Europe/Berlin", currency_code="EUR", country_code="DE")
        await self.caller.do("root", sites_pb2.CreateSiteRequest(site_id=name.partition("/")[2], site=site))
        places = [("dock", "DOCK"), ("staging", "STAGING"), *((shelf, "STORAGE") for shelf in SHELVES)]
        for place, kind in places:
            location = locations_pb2.Location(title=place, kind=kind, check_code=f"C-{place}")
            request = locations_pb2.CreateLocationRequest(parent=name, location_id=place, location=location)
            await self._when_known("mara", request)
        for item in self.cast.stocked:
            for shelf in SHELVES:
                await self._when_known("stella", movement(name, "OPENING", item, PLENTY, to=shelf))

    async def _item(self, name: str, tracking: str = "NONE", *, inspect_receipts: bool = False) -> None:
        item = items_pb2.Item(
            number=name.partition("/")[2], title="Part", base_unit_code="H87", tracking=tracking,
            inspect_receipts=inspect_receipts, standard_cost=Money(currency_code="EUR", units=80),
        )  # fmt: skip
        await self.caller.do("mara", items_pb2.CreateItemRequest(item_id=name.partition("/")[2], item=item))

    async def _policy(self) -> None:
        do, name = self.caller.do, self.cast.policy
        policy = plans_pb2.MaintenancePolicy(title="Service")
        make = plans_pb2.CreateMaintenancePolicyRequest(
            maintenance_policy_id=name.partition("/")[2], maintenance_policy=policy
        )
        await do("paul", make)
        contents = plans_pb2.MaintenanceRevision(
            kind="METER_FIXED", usage_interval=DecimalText(value="100"), order_title="100 h service", order_priority=2
        )
        contents.steps.add(text="Change the filter", mandatory=True)
        contents.part_demands.add(item=self.cast.bought, quantity=pieces(2), mandatory=True)
        create = plans_pb2.CreateMaintenanceRevisionRequest(parent=name, maintenance_revision=contents)
        revision = await do("paul", create)
        revision = await do("paul", plans_pb2.SubmitMaintenanceRevisionRequest(name=revision.name))
        approve = plans_pb2.ApproveMaintenanceRevisionRequest(name=revision.name, content_hash=revision.content_hash)
        await do("ada", approve)
        await do("ada", plans_pb2.ActivateMaintenanceRevisionRequest(name=revision.name))

    async def _asset(self, site: str, number: int) -> None:
        do, name = self.caller.do, f"{site}/assets/press-{number}"
        asset = assets_pb2.Asset(
            number=f"P{number}", title="Press", criticality="A", delivery_location=f"{site}/locations/staging"
        )
        await do("paul", assets_pb2.CreateAssetRequest(parent=site, asset_id=f"press-{number}", asset=asset))
        await do("paul", assets_pb2.ChangeAssetStateRequest(name=name, state="IN_SERVICE"))
        for meter_id in ("hours", "strokes"):
            meter = meters_pb2.Meter(title=meter_id, unit_code="HUR")
            await do("paul", meters_pb2.CreateMeterRequest(parent=name, meter_id=meter_id, meter=meter))
        bind = plans_pb2.AssignMaintenancePolicyRequest(
            parent=name, policy=self.cast.policy, meter=f"{name}/meters/hours"
        )
        await do("paul", bind)

    # --- the stories ----------------------------------------------------------------------------------------

    async def tell(self, stories: Sequence[Story]) -> None:
        """Begin each story at its time and see all of them to their end."""
        begin = asyncio.get_running_loop().time()
        breakdowns: dict[int, int] = {}

        async def one(story: Story, turn: int) -> None:
            await asyncio.sleep(max(0.0, begin + story.at - asyncio.get_running_loop().time()))
            self.ended.append(await self._told(story, turn))

        async with asyncio.TaskGroup() as group:
            for story in stories:
                turn = breakdowns.get(story.site, 0)
                breakdowns[story.site] = turn + (story.kind == "breakdown")
                group.create_task(one(story, turn))

    async def _told(self, story: Story, turn: int) -> Ended:
        chance = random.Random(f"{self.plan.seed} story {story.number}")
        actor = Actor(replace(self.caller, chance=chance), self.cast, self.cast.sites[story.site], chance, turn)
        try:
            await getattr(actor, story.kind)()
        except Refused as refusal:
            return Ended(story, "refused", str(refusal))
        except Unanswered as still:
            return Ended(story, "unanswered", str(still))
        return Ended(story, "done")


def movement(site: str, kind: str, item: str, value: object, *, to: str = "", frm: str = "", **given: Any) -> Any:
    """A command to move a stocked item by hand."""
    places = {"to_location": f"{site}/locations/{to}"} if to else {}
    places |= {"from_location": f"{site}/locations/{frm}"} if frm else {}
    made = movements_pb2.Movement(kind=kind, item=item, quantity=pieces(value), **places, **given)
    return movements_pb2.CreateMovementRequest(parent=site, movement=made)


@dataclass
class Actor:
    """Somebody at a site who tells one story."""

    caller: Caller
    cast: Cast
    site: str
    chance: random.Random
    turn: int

    async def _do(self, person: str, request: Any) -> Any:
        return await self.caller.do(person, request)

    # --- movements ------------------------------------------------------------------------------------------

    def _some(self) -> tuple[str, str, str]:
        one, other = self.chance.sample(SHELVES, 2)
        return self.chance.choice(self.cast.stocked), one, other

    async def move(self) -> None:
        """Stock goes to another shelf."""
        item, one, other = self._some()
        await self._do("sam", movement(self.site, "MOVE", item, self.chance.randint(1, 9), frm=one, to=other))

    async def adjust(self) -> None:
        """A count finds more or less than the books say."""
        item, place, _ = self._some()
        where = {"to": place} if self.chance.random() < 0.5 else {"frm": place}
        value = self.chance.randint(1, 5)
        await self._do("stella", movement(self.site, "ADJUST", item, value, reason_code="COUNT", **where))

    async def scrap(self) -> None:
        """Stock is thrown away."""
        item, place, _ = self._some()
        value = self.chance.randint(1, 4)
        await self._do("stella", movement(self.site, "SCRAP", item, value, frm=place, reason_code="RUST"))

    async def hold(self) -> None:
        """Stock is held; handing out more than is free is refused; then it is released, or scrapped."""
        item, place, _ = self._some()
        value = self.chance.randint(5, 30)
        held = {"from_status": "UNRESTRICTED", "to_status": "BLOCKED"}
        free = {"from_status": "BLOCKED", "to_status": "UNRESTRICTED"}
        await self._do("stella", movement(self.site, "STATUS_CHANGE", item, value, frm=place, to=place, **held))
        with contextlib.suppress(Refused):  # as it must be
            await self._do("sam", movement(self.site, "MOVE", item, PLENTY * 2, frm=place, to="staging"))
        await self._do("stella", movement(self.site, "STATUS_CHANGE", item, value, frm=place, to=place, **free))

    async def race(self) -> None:
        """Several people take from one shelf at the same moment."""
        item, one, other = self._some()
        requests = [movement(self.site, "MOVE", item, self.chance.randint(1, 20), frm=one, to=other) for _ in range(5)]
        for request in requests:
            request.request_id = str(UUID(int=self.chance.getrandbits(128), version=4))
        found = await asyncio.gather(*(self._do("sam", request) for request in requests), return_exceptions=True)
        for answer in found:
            if isinstance(answer, BaseException) and not isinstance(answer, Refused):
                raise answer

    async def reading(self) -> None:
        """A meter that nothing hangs on is read."""
        meter = f"{self.site}/assets/press-{self.chance.randrange(self.cast.assets)}/meters/strokes"
        value = DecimalText(value=str(self.chance.randint(1, 5)))
        await self._do("tina", meters_pb2.CreateReadingRequest(parent=meter, raw_value=value))

    # --- work -----------------------------------------------------------------------------------------------

    async def _order(self) -> Any:
        asset = f"{self.site}/assets/press-{self.chance.randrange(self.cast.assets)}"
        order = work_orders_pb2.WorkOrder(asset=asset, kind="IMPROVEMENT", title="Repair")
        order.part_demands.add(item=self.chance.choice(self.cast.stocked), quantity=pieces(self.chance.randint(1, 6)),
                               mandatory=True, delivery_location=f"{self.site}/locations/staging")  # fmt: skip
        made = await self._do("paul", work_orders_pb2.CreateWorkOrderRequest(parent=self.site, work_order=order))
        await self._do("ada", work_orders_pb2.ApproveWorkOrderRequest(name=made.name))
        return made

    async def _ready(self, name: str) -> Any:
        async def read() -> Any:
            found = await self.caller.read("paul", work_orders_pb2.GetWorkOrderRequest(name=name))
            return found if found.state == found.READY else None

        return await self.caller.until(f"{name} READY", read, 90)

    async def _carry_out(self, name: str) -> None:
        found = await self._ready(name)
        for row in await self.reserved(name):
            await self._do("sam", reservations_pb2.IssueReservationRequest(name=row.name, quantity=row.allocated))
        await self._do("tina", work_orders_pb2.StartWorkOrderRequest(name=name))
        for step in found.steps:
            await self._do("tina", work_orders_pb2.RecordStepRequest(name=name, step=step.number, result="done"))
        hours = DecimalText(value=str(self.chance.randint(1, 8)))
        await self._do("tina", work_orders_pb2.CompleteWorkOrderRequest(name=name, outcome="DONE", labor_hours=hours))

    async def reserved(self, order: str) -> list[Any]:
        """The reservations of an order."""
        wanted = reservations_pb2.ListReservationsRequest(parent=self.site, filter=f'work_order = "{order}"')
        return list((await self.caller.read("sam", wanted)).reservations)

    async def order(self) -> None:
        """A repair with parts from stock."""
        await self._carry_out((await self._order()).name)

    async def order_cancelled(self) -> None:
        """A repair that is called off, before or after its parts are there."""
        made = await self._order()
        if self.chance.random() < 0.5:
            await self._ready(made.name)
        await self._do("paul", work_orders_pb2.CancelWorkOrderRequest(name=made.name, reason="not needed"))

    async def breakdown(self) -> None:
        """A reading makes a service due; its part is bought, received, inspected, put away, issued; work is done."""
        meter = f"{self.site}/assets/press-{self.turn % self.cast.assets}/meters/hours"
        value = DecimalText(value=str(105 * (self.turn // self.cast.assets + 1)))
        reading = await self._do("tina", meters_pb2.CreateReadingRequest(parent=meter, raw_value=value))
        if reading.state == reading.QUARANTINED:
            release = meters_pb2.ReleaseReadingRequest(name=reading.name, reason="as shown")
            reading = await self._do("paul", release)
        for order in reading.work_orders:
            await self._do("ada", work_orders_pb2.ApproveWorkOrderRequest(name=order))

            async def needs(order: str = order) -> Any:
                wanted = requisitions_pb2.ListRequisitionsRequest(parent=self.site, filter=f'work_order = "{order}"')
                return list((await self.caller.read("ben", wanted)).requisitions)

            (need,) = await self.caller.until(f"a requisition for {order}", needs, 90)
            if need.state == need.SUBMITTED:
                await self._do("ada", requisitions_pb2.ApproveRequisitionRequest(name=need.name))
            bought = await self._buy(need.name)
            await self._receive(bought)
            await self._carry_out(order)

    # --- buying ---------------------------------------------------------------------------------------------

    async def _need(self) -> Any:
        quantity = self.chance.randint(2, 12)
        need = requisitions_pb2.Requisition(item=self.chance.choice(self.cast.stocked), quantity=pieces(quantity))
        made = await self._do("mara", requisitions_pb2.CreateRequisitionRequest(parent=self.site, requisition=need))
        await self._do("ada", requisitions_pb2.ApproveRequisitionRequest(name=made.name))
        return made

    async def _buy(self, need: str) -> Any:
        make = purchase_orders_pb2.ConvertRequisitionsRequest(parent=self.site, requisitions=[need])
        bought = await self._do("ben", make)
        bought = await self._do("ben", purchase_orders_pb2.SubmitPurchaseOrderRequest(name=bought.name))
        approve = purchase_orders_pb2.ApprovePurchaseOrderRequest(name=bought.name, content_hash=bought.content_hash)
        await self._do("ada", approve)
        return await self._do("ben", purchase_orders_pb2.IssuePurchaseOrderRequest(name=bought.name))

    async def purchase(self) -> None:
        """Stock is bought and arrives."""
        await self._receive(await self._buy((await self._need()).name))

    async def purchase_amended(self) -> None:
        """An order is lowered after it went out; what then arrives is the lower quantity."""
        bought = await self._buy((await self._need()).name)
        lower = DecimalText(value=canonical(Decimal(bought.lines[0].quantity.value) - 1))
        revise = purchase_orders_pb2.RevisePurchaseOrderRequest(
            name=bought.name, line=bought.lines[0].line, quantity=lower, reason="agreed by telephone"
        )
        bought = await self._do("ben", revise)
        await self._receive(bought)

    async def purchase_cancelled(self) -> None:
        """An order is called off; its requisition can be ordered again."""
        bought = await self._buy((await self._need()).name)
        cancel = purchase_orders_pb2.CancelPurchaseOrderRequest(name=bought.name, reason="too late")
        await self._do("ben", cancel)

    async def _receive(self, bought: Any) -> None:
        line = bought.lines[0]

        async def expected() -> Any:
            wanted = receipts_pb2.ListExpectedReceiptsRequest(
                parent=self.site, filter=f'purchase_order = "{bought.name}"'
            )
            rows = list((await self.caller.read("sam", wanted)).expected_receipts)
            return [row for row in rows if Decimal(row.quantity.value) == Decimal(line.quantity.value)]

        (due,) = await self.caller.until(f"the expected receipt of {bought.name}", expected, 90)
        start = receipts_pb2.StartReceiptRequest(
            parent=self.site, supplier=bought.supplier, location=f"{self.site}/locations/dock",
            delivery_note=bought.number,
        )  # fmt: skip
        receipt = await self._do("sam", start)
        entry = receipts_pb2.AddReceiptLineRequest(
            expected_receipt=due.name, item=line.item, quantity=line.quantity,
            lot_number=f"L{bought.number}" if line.item == self.cast.bought else "",
            request_id=str(UUID(int=self.chance.getrandbits(128), version=4)),
        )  # fmt: skip
        await self._scan(receipt.name, entry)
        receipt = await self._do("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
        await self._inspect(receipt.name)
        tasks = tasks_pb2.ListPutAwayTasksRequest(parent=self.site, filter=f'receipt = "{receipt.name}"')
        for task in (await self.caller.read("sam", tasks)).put_away_tasks:
            shelf = self.chance.choice(SHELVES)
            confirm = tasks_pb2.ConfirmPutAwayRequest(
                name=task.name, location=f"{self.site}/locations/{shelf}", check_code=f"C-{shelf}"
            )
            await self._do("sam", confirm)

    async def _scan(self, receipt: str, entry: Any) -> None:
        """One line; the batch as a whole has no id, each of its entries has."""
        batch = receipts_pb2.BatchAddReceiptLinesRequest(parent=receipt, requests=[entry])
        answer = await self.caller.read("sam", batch)
        (outcome,) = answer.outcomes
        if outcome.WhichOneof("outcome") == "status":
            raise Refused("FAILED_PRECONDITION", "LINE", outcome.status.message)

    async def _inspect(self, receipt: str) -> None:
        wanted = inspections_pb2.ListInspectionLotsRequest(parent=self.site, filter=f'receipt = "{receipt}"')
        for lot in (await self.caller.read("ines", wanted)).inspection_lots:
            split = inspections_pb2.InspectionLot.Split(outcome="UNRESTRICTED", quantity=lot.quantity)
            await self._do("ines", inspections_pb2.DecideUsageRequest(name=lot.name, splits=[split]))


async def on_hand(caller: Caller, site: str, item: str) -> Decimal:
    """Stock of an item at a site, as the plant answers it."""
    wanted = balances_pb2.ListBalancesRequest(parent=site, filter=f'item = "{item}"')
    rows = (await caller.read("sam", wanted)).balances
    return sum((Decimal(row.on_hand.value) for row in rows), Decimal(0))
