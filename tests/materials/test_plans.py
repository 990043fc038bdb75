"""How lists read a hundred thousand rows: by an index, in its order, and not much more than they give (PROOF-7)."""

import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from plantops.materials.v1 import (
    allocation_policies_pb2,
    balances_pb2,
    count_policies_pb2,
    counts_pb2,
    direct_lines_pb2,
    exchange_pb2,
    expected_deliveries_pb2,
    genealogy_pb2,
    handling_unit_types_pb2,
    handling_units_pb2,
    holds_pb2,
    inspections_pb2,
    item_settings_pb2,
    items_pb2,
    kanban_cards_pb2,
    locations_pb2,
    lots_pb2,
    movements_pb2,
    periods_pb2,
    policies_pb2,
    production_pb2,
    put_away_policies_pb2,
    recalls_pb2,
    receipts_pb2,
    reservations_pb2,
    serials_pb2,
    shipments_pb2,
    structures_pb2,
    tasks_pb2,
    transfers_pb2,
    waves_pb2,
)

from services.chassis.bind import rpc_services
from services.materials.model import tracing
from services.materials.model.allocation_policy import AllocationPolicy, AllocationRevision
from services.materials.model.count import CountDocument, CountLine
from services.materials.model.count_policy import CountPolicy, CountRevision
from services.materials.model.direct_line import DirectLine
from services.materials.model.exchange import Import
from services.materials.model.expected_delivery import ExpectedDelivery
from services.materials.model.handling_unit import HandlingUnit, HandlingUnitType
from services.materials.model.hold import Hold
from services.materials.model.inspection import InspectionLot
from services.materials.model.item import Item
from services.materials.model.item_settings import ItemSettings
from services.materials.model.kanban import KanbanCard
from services.materials.model.location import Location
from services.materials.model.lot import Lot, Serial
from services.materials.model.movement import Balance, Movement
from services.materials.model.period import Period
from services.materials.model.policy import Policy, Revision
from services.materials.model.production import ProductionOrder
from services.materials.model.production_report import ProductionReport
from services.materials.model.put_away_policy import PutAwayPolicy, PutAwayRevision
from services.materials.model.recall import RecallCase
from services.materials.model.receipt import ExpectedReceipt, Receipt
from services.materials.model.reservation import Reservation
from services.materials.model.shipment import Shipment
from services.materials.model.structure import Structure, StructureRevision
from services.materials.model.supply_request import SupplyRequest
from services.materials.model.task import Task
from services.materials.model.transfer import Transfer
from services.materials.model.wave import Wave
from tests.materials import builders, crowd
from tests.statements import Statements, statements_of
from tests.world import Plant

SITE = builders.SITE
PAGE = 50
LISTS: list[tuple[Any, str, Any]] = [
    (movements_pb2.ListMovementsRequest, SITE, Movement),
    (balances_pb2.ListBalancesRequest, SITE, Balance),
    (items_pb2.ListItemsRequest, "", Item),
    (item_settings_pb2.ListItemSettingsRequest, SITE, ItemSettings),
    (lots_pb2.ListLotsRequest, "items/-", Lot),
    (lots_pb2.ListLotsRequest, "items/item-7", Lot),
    (serials_pb2.ListSerialsRequest, "items/-", Serial),
    (serials_pb2.ListSerialsRequest, "items/item-7", Serial),
    (locations_pb2.ListLocationsRequest, SITE, Location),
    (handling_units_pb2.ListHandlingUnitsRequest, SITE, HandlingUnit),
    (handling_unit_types_pb2.ListHandlingUnitTypesRequest, "", HandlingUnitType),
    (reservations_pb2.ListReservationsRequest, SITE, Reservation),
    (receipts_pb2.ListExpectedReceiptsRequest, SITE, ExpectedReceipt),
    (receipts_pb2.ListReceiptsRequest, SITE, Receipt),
    (inspections_pb2.ListInspectionLotsRequest, SITE, InspectionLot),
    (tasks_pb2.ListPutAwayTasksRequest, SITE, Task),
    (tasks_pb2.ListTasksRequest, SITE, Task),
    (waves_pb2.ListWavesRequest, SITE, Wave),
    (holds_pb2.ListHoldsRequest, SITE, Hold),
    (recalls_pb2.ListRecallCasesRequest, SITE, RecallCase),
    (policies_pb2.ListMaterialsPoliciesRequest, "", Policy),
    (policies_pb2.ListMaterialsRevisionsRequest, "materialsPolicies/-", Revision),
    (policies_pb2.ListMaterialsRevisionsRequest, "materialsPolicies/materialspolicies-7", Revision),
    (policies_pb2.ListSupplyRequestsRequest, SITE, SupplyRequest),
    (kanban_cards_pb2.ListKanbanCardsRequest, SITE, KanbanCard),
    (structures_pb2.ListStructuresRequest, "", Structure),
    (structures_pb2.ListStructureRevisionsRequest, "structures/-", StructureRevision),
    (structures_pb2.ListStructureRevisionsRequest, "structures/structures-7", StructureRevision),
    (production_pb2.ListProductionOrdersRequest, SITE, ProductionOrder),
    (production_pb2.ListProductionReportsRequest, SITE, ProductionReport),
    (transfers_pb2.ListTransfersRequest, SITE, Transfer),
    (transfers_pb2.ListIncomingTransfersRequest, "sites/site-7", Transfer),
    (shipments_pb2.ListShipmentsRequest, SITE, Shipment),
    (allocation_policies_pb2.ListAllocationPoliciesRequest, "", AllocationPolicy),
    (
        allocation_policies_pb2.ListAllocationRevisionsRequest,
        "allocationPolicies/allocationpolicies-7",
        AllocationRevision,
    ),
    (direct_lines_pb2.ListDirectLinesRequest, SITE, DirectLine),
    (put_away_policies_pb2.ListPutAwayPoliciesRequest, "", PutAwayPolicy),
    (put_away_policies_pb2.ListPutAwayRevisionsRequest, "putAwayPolicies/putawaypolicies-7", PutAwayRevision),
    (counts_pb2.ListCountsRequest, SITE, CountDocument),
    (counts_pb2.ListCountLinesRequest, "sites/hamburg/counts/counts-7", CountLine),
    (count_policies_pb2.ListCountPoliciesRequest, "", CountPolicy),
    (count_policies_pb2.ListCountRevisionsRequest, "countPolicies/countpolicies-7", CountRevision),
    (exchange_pb2.ListMaterialsImportsRequest, SITE, Import),
    (periods_pb2.ListPeriodsRequest, SITE, Period),
    (expected_deliveries_pb2.ListExpectedDeliveriesRequest, SITE, ExpectedDelivery),
]
_TITLE = "people look for a part of it, which an index in order does not find"
WITHOUT: dict[tuple[str, str], str] = {
    ("balance", "on_hand"): "postings change it, and no index holds what they change (PERF-7)",
    ("item", "title"): _TITLE,
    ("location", "title"): _TITLE,
    ("handling_unit_type", "title"): _TITLE,
    ("materials_policy", "title"): _TITLE,
    ("allocation_policy", "title"): _TITLE,
    ("count_policy", "title"): _TITLE,
    ("put_away_policy", "title"): _TITLE,
}
"""Filters that have no index: (table, field) -> why not."""


@pytest.fixture(scope="module")
async def big(plant: Plant) -> Plant:
    """A plant whose materials database is full."""
    await builders.site(plant)
    with plant.look("materials") as connection:
        crowd.fill(connection)
    return plant


@pytest.fixture
def statements(big: Plant) -> Iterator[Statements]:
    with statements_of(big.processes["materials"].engine) as found:
        yield found


def wrong(plan: dict[str, Any], tables: set[str]) -> list[str]:
    """What a plan does that grows with the table."""
    found: list[str] = []
    read = 0.0

    def look(node: dict[str, Any]) -> None:
        nonlocal read
        rows = node["Actual Rows"] * node["Actual Loops"]
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in tables:
            found.append(f"scans {node['Relation Name']}")
        if "Sort" in node["Node Type"] and sum(part["Actual Rows"] for part in node["Plans"]) > 10 * PAGE:
            found.append(f"sorts {node['Plans'][0]['Actual Rows']:.0f} rows")
        if node.get("Relation Name") in tables:
            away = sum(value for key, value in node.items() if key.startswith("Rows Removed by"))
            read += rows + away * node["Actual Loops"]
        for part in node.get("Plans", ()):
            look(part)

    look(plan)
    given = plan["Actual Rows"]
    if read > 10 * max(given, 1):
        found.append(f"reads {read:.0f} for {given:.0f}")
    return found


async def judged(big: Plant, statements: Statements, request: Any) -> list[str]:
    """What is wrong with the statements that a request sends."""
    tables = {model.__table__.name for model in (*crowd.LISTED, *crowd.PARTS)}
    statements.sent.clear()
    await big("vic", request)
    # the transaction of a call asks for the caller's grants; jobs do not
    (sent,) = [found for found in statements.sent if any("principal_grant" in text for text, _ in found)]
    url = big.engines.postgres_url.rsplit("/", 1)[0] + f"/{big.database['materials']}"
    connection = await asyncpg.connect(url)
    found, seen = [], 0
    try:
        for text, values in sent:
            words = " ".join(text.lower().split()) + " "
            if words.startswith("select") and any(f"from {table} " in words for table in tables):
                seen += 1
                answer = await connection.fetchval(f"explain (analyze, timing off, format json) {text}", *values)
                found += wrong(json.loads(answer)[0]["Plan"], tables)
    finally:
        await connection.close()
    assert seen, sent
    return found


@pytest.mark.rule("PERF-10")
@pytest.mark.parametrize(("kind", "parent", "model"), LISTS, ids=[f"{row[2].__name__}-{row[1]}" for row in LISTS])
async def test_a_list_reads_what_it_gives_whatever_it_is_filtered_by(
    big: Plant, statements: Statements, kind: Any, parent: str, model: Any
) -> None:
    found = {}
    for field in ("", *sorted(model.FILTERABLE)):
        request = kind(filter=filter_of(big, model, field), page_size=PAGE)
        if parent:
            request.parent = parent
        if bad := await judged(big, statements, request):
            found[model.__table__.name, field] = bad
    assert set(found) == {key for key in WITHOUT if key[0] == model.__table__.name}, found


READS: list[tuple[Any, Any]] = [
    (movements_pb2.GetMovementRequest, Movement), (items_pb2.GetItemRequest, Item), (lots_pb2.GetLotRequest, Lot),
    (item_settings_pb2.GetItemSettingsRequest, ItemSettings), (serials_pb2.GetSerialRequest, Serial),
    (serials_pb2.GetSerialHistoryRequest, Serial), (locations_pb2.GetLocationRequest, Location),
    (handling_units_pb2.GetHandlingUnitRequest, HandlingUnit), (receipts_pb2.GetReceiptRequest, Receipt),
    (handling_unit_types_pb2.GetHandlingUnitTypeRequest, HandlingUnitType),
    (reservations_pb2.GetReservationRequest, Reservation), (tasks_pb2.GetPutAwayTaskRequest, Task),
    (waves_pb2.GetWaveRequest, Wave),
    (receipts_pb2.GetExpectedReceiptRequest, ExpectedReceipt), (policies_pb2.GetMaterialsPolicyRequest, Policy),
    (inspections_pb2.GetInspectionLotRequest, InspectionLot), (policies_pb2.GetMaterialsRevisionRequest, Revision),
    (policies_pb2.GetSupplyRequestRequest, SupplyRequest), (transfers_pb2.GetTransferRequest, Transfer),
    (shipments_pb2.GetShipmentRequest, Shipment),
]  # fmt: skip


@pytest.mark.rule("PERF-10")
@pytest.mark.parametrize(("kind", "model"), READS, ids=[kind.DESCRIPTOR.name for kind, _ in READS])
async def test_one_resource_is_read_by_its_name(big: Plant, statements: Statements, kind: Any, model: Any) -> None:
    query = f"select name from {model.__table__.name} offset 5007 limit 1"  # noqa: S608
    ((name,),) = big.rows("materials", query)
    assert await judged(big, statements, kind(name=name)) == []


@pytest.mark.rule("PERF-10")
async def test_a_put_away_is_read_by_its_name_among_tasks(big: Plant, statements: Statements) -> None:
    request = tasks_pb2.GetTaskRequest(name=f"{SITE}/tasks/tasks-5007")
    assert await judged(big, statements, request) == []


@pytest.mark.rule("PERF-10")
async def test_the_stock_of_an_item_as_it_was_is_read_from_its_balances(big: Plant, statements: Statements) -> None:
    request = balances_pb2.QueryBalancesRequest(parent=SITE, item="items/item-7", page_size=PAGE)
    assert await judged(big, statements, request) == []


def filter_of(big: Plant, model: Any, field: str) -> str:
    """A filter by one field for a value that a row in the middle has."""
    if not field:
        return ""
    table = model.__table__.name
    query = f"select {field} from {table} where {field} is not null offset 5007 limit 1"  # noqa: S608
    ((value,),) = big.rows("materials", query)
    if isinstance(value, list):
        return f'{field}:"{value[0]}"'
    if hasattr(value, "isoformat"):
        return f'{field} = "{value.isoformat()}"'
    return f'{field} = "{value}"' if isinstance(value, str) else f"{field} = {value}"


def test_every_list_with_a_filter_is_judged() -> None:
    wanted = {
        method.input_type.full_name
        for service in rpc_services("plantops.materials.v1")
        for method in service.methods
        if method.name.startswith("List") and "filter" in method.input_type.fields_by_name
    }
    assert wanted == {kind.DESCRIPTOR.full_name for kind, _, _ in LISTS}


@pytest.mark.rule("MAT-136")
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("forward", [True, False])
async def test_a_trace_reads_by_indexes_alone(big: Plant, statements: Statements, forward: bool, mode: str) -> None:
    name = "items/item-7/lots/lots-5007"
    kind = genealogy_pb2.TraceForwardRequest if forward else genealogy_pb2.TraceBackwardRequest
    statements.sent.clear()
    pages = await big("vic", kind(name=name), timeout=60)
    assert (sum(len(page.edges) for page in pages), pages[-1].complete) == (50, False)
    (sent,) = [found for found in statements.sent if any("with entry" in text for text, _ in found)]
    asked = [(text, values) for text, values in sent if text.split()[0] == "with"]
    for ways in (tracing._STEPS, tracing._REACHES, tracing._FURTHERS):
        asked.append((ways[forward], (json.dumps([name]), None, None, False, None)))
    url = big.engines.postgres_url.rsplit("/", 1)[0] + f"/{big.database['materials']}"
    connection = await asyncpg.connect(url)
    try:
        # a connection that has asked a few times keeps one plan for all values
        await connection.execute(f"set plan_cache_mode = {mode}")
        for number, (text, values) in enumerate(asked):
            types = ", ".join(["unknown"] * len(values))
            await connection.execute(f"prepare asked_{number} ({types}) as {text}")
            quoted = [await connection.fetchval("select quote_nullable($1::text)", _text(one)) for one in values]
            plan = await connection.fetchval(f"explain (format json) execute asked_{number} ({', '.join(quoted)})")
            assert not scanned(json.loads(plan)[0]["Plan"]) & {"genealogy_edge", "movement", "movement_entry"}
    finally:
        await connection.close()


def _text(value: Any) -> str | None:
    """A value as the database reads it."""
    return "{" + ",".join(value) + "}" if isinstance(value, list) else None if value is None else str(value)


def scanned(plan: dict[str, Any]) -> set[str]:
    """Tables that a plan reads from end to end."""
    found = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" else set()
    return found.union(*(scanned(part) for part in plan.get("Plans", ())))
