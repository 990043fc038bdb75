"""A hundred thousand rows of the tables that grow with the stock, a quarter of that of the others, by SQL.

Nothing of it makes sense beside the distribution: what a list may be filtered by has a thousand values, states few.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg
from sqlalchemy import Column

from services.chassis.resource import EnumText
from services.materials.model.allocation_policy import AllocationPolicy, AllocationRevision
from services.materials.model.count import CountDocument, CountLine
from services.materials.model.count_policy import CountPolicy, CountRevision
from services.materials.model.direct_line import DirectLine
from services.materials.model.exchange import Import
from services.materials.model.expected_delivery import ExpectedDelivery, ExpectedDeliveryLine
from services.materials.model.genealogy import GenealogyEdge
from services.materials.model.handling_unit import HandlingUnit, HandlingUnitType
from services.materials.model.hold import Hold
from services.materials.model.inspection import InspectionLot
from services.materials.model.item import Item
from services.materials.model.item_settings import ItemSettings
from services.materials.model.kanban import KanbanCard
from services.materials.model.location import Location
from services.materials.model.lot import Lot, Serial
from services.materials.model.movement import Balance, Entry, Movement
from services.materials.model.period import Period
from services.materials.model.policy import Policy, Revision
from services.materials.model.production import (
    ProductionComponent,
    ProductionOperation,
    ProductionOrder,
    ProductionOutput,
)
from services.materials.model.production_report import ProductionConsumption, ProductionReport
from services.materials.model.put_away_policy import PutAwayPolicy, PutAwayRevision
from services.materials.model.recall import RecallCase
from services.materials.model.receipt import ExpectedReceipt, Receipt, ReceiptLine
from services.materials.model.reservation import Allocation, Reservation
from services.materials.model.shipment import Shipment, ShipmentLine, ShippedUnit
from services.materials.model.structure import Structure, StructureComponent, StructureOutput, StructureRevision
from services.materials.model.supply_request import SupplyRequest
from services.materials.model.task import Task
from services.materials.model.transfer import Transfer, TransferLine
from services.materials.model.wave import Wave, WaveLine

COUNT = 100_000
FEWER = 25_000
SITE = "sites/hamburg"
FLAT = (Item, HandlingUnitType, Policy, Structure, AllocationPolicy, CountPolicy, PutAwayPolicy)
LISTED: tuple[Any, ...] = (
    *FLAT, ItemSettings, Location, Lot, Serial, Movement, Balance, HandlingUnit, Revision, SupplyRequest,
    ExpectedReceipt, Receipt, Task, Wave, InspectionLot, Reservation, Transfer, Shipment, Hold, RecallCase,
    StructureRevision, ProductionOrder, ProductionReport, AllocationRevision, CountRevision, CountDocument, CountLine,
    Import, Period, ExpectedDelivery, KanbanCard, PutAwayRevision, DirectLine,
)  # fmt: skip
GROWING = frozenset({Item, Lot, Serial, Movement, Balance, HandlingUnit, Reservation})
PARTS: tuple[Any, ...] = (
    Entry,
    ReceiptLine,
    Allocation,
    GenealogyEdge,
    TransferLine,
    ShipmentLine,
    ShippedUnit,
    WaveLine,
    StructureComponent,
    StructureOutput,
    ProductionOperation,
    ProductionComponent,
    ProductionOutput,
    ProductionConsumption,
    ExpectedDeliveryLine,
)
"""What belongs to rows of lists and is read with them."""

_UNDER: Mapping[Any, str] = {Lot: "items/item-' || n % 1000 || '", Serial: "items/item-' || n % 1000 || '"}
_ITEM = "'items/item-' || n % 1000"
_ORDER = "'sites/hamburg/productionOrders/productionorders-' || n / 2"
_REVISION = "'structures/structures-' || n / 6 || '/structureRevisions/r' || n / 2 % 3"
_STATES = "(array['RETIRED', 'ACTIVE', 'DRAFT'])[1 + n % 3]"


def _revision_of(kind: str) -> Mapping[str, str]:
    """Three revisions of each policy."""
    policy = f"'{kind}/{kind.lower()}-' || n / 3"
    return {"name": f"{policy} || '/revisions/r' || n % 3", "policy": policy, "state": _STATES}


_SPECIAL: Mapping[Any, Mapping[str, str]] = {
    Item: {"gtins": "array['gtin-' || n % 50000]", "tracking": "'NONE'"},
    Lot: {"item": _ITEM}, Serial: {"item": _ITEM, "lot": "'items/item-' || n % 1000 || '/lots/' || n % 20000"},
    Balance: {"item": _ITEM, "virtual": "false", "on_hand": "1 + n % 50", "reserved": "n % 2"},
    Policy: {"item": "'items/item-' || n", "site": "'hamburg'", "location": "''"},
    Revision: _revision_of("materialsPolicies"), AllocationRevision: _revision_of("allocationPolicies"),
    CountRevision: _revision_of("countPolicies"), PutAwayRevision: _revision_of("putAwayPolicies"),
    CountPolicy: {"at_site": "'sites/site-' || n"},
    CountLine: {
        "name": "'sites/hamburg/counts/counts-' || n / 25 || '/lines/line-' || n",
        "count": "'sites/hamburg/counts/counts-' || n / 25", "state": "(array['OPEN', 'SKIPPED'])[1 + n % 2]",
        "balance": "'sites/hamburg/balances/balances-' || n",
    },
    SupplyRequest: {"item": "'items/item-' || n"},
    HandlingUnit: {
        "sscc": "lpad(n::text, 18, '0')", "handling_unit_type": "'handlingUnitTypes/handlingunittypes-' || n % 1000",
        "parent_handling_unit": "case when n % 2 = 0 then 'unit-' || n % 1000 end",
        "state": "(array['OPEN', 'CLOSED', 'POOLED'])[1 + n % 3]",
        "location": "case when n % 2 = 1 then 'location-' || n % 1000 end",
    },
    ExpectedReceipt: {"schedule_line": "n", "received_base": "0", "received": "0"},
    ExpectedDeliveryLine: {
        "expected_delivery": "'sites/hamburg/expectedDeliveries/expecteddeliveries-' || n / 4", "line": "1 + n % 4",
    },
    DirectLine: {"receipt": "'sites/hamburg/receipts/receipts-' || n / 2", "line": "1 + n % 2", "returned": "0"},
    InspectionLot: {"decided": "0"},
    Task: {
        "name": "'sites/hamburg/putAwayTasks/tasks-' || n", "kind": "'PUT_AWAY'",
        "state": "(array['READY', 'COMPLETED', 'CANCELLED'])[1 + n % 3]",
    },
    WaveLine: {"wave": "'sites/hamburg/waves/waves-' || n / 2", "reservation": "'reservation-' || n"},
    Hold: {"release_time": "case when n % 2 = 1 then now() end", "releaser": "'people/ada'"},
    Reservation: {"requested": "7"},
    Structure: {"item": "'items/item-' || n"},
    StructureRevision: {
        "name": "'structures/structures-' || n / 3 || '/structureRevisions/r' || n % 3", "site": "null",
        "structure": "'structures/structures-' || n / 3",
    },
    StructureComponent: {"structure_revision": _REVISION, "line": "1 + n % 2"},
    StructureOutput: {"structure_revision": _REVISION, "line": "1 + n % 2"},
    ProductionOperation: {"production_order": _ORDER, "operation": "1 + n % 2"},
    ProductionComponent: {"production_order": _ORDER, "line": "1 + n % 2"},
    ProductionOutput: {"production_order": _ORDER, "line": "1 + n % 2"},
    ProductionConsumption: {
        "production_report": "'sites/hamburg/productionReports/productionreports-' || n / 2", "line": "1 + n % 2",
        "production_order": _ORDER,
    },
    Transfer: {"to_site": "'sites/site-' || n % 1000"},
    TransferLine: {
        "transfer": "'sites/hamburg/transfers/transfers-' || n / 4", "line": "1 + n % 4", "second_received": "0",
        "received": "0", "disposed": "0", "second_disposed": "0", "item": _ITEM,
    },
    ShipmentLine: {
        "shipment": "'sites/hamburg/shipments/shipments-' || n / 4", "line": "1 + n % 4", "item": _ITEM,
        "returned": "0", "second_returned": "0",
    },
    ShippedUnit: {
        "shipment": "'sites/hamburg/shipments/shipments-' || n / 4",
        "handling_unit": "'sites/hamburg/handlingUnits/handlingunits-' || n",
    },
    Movement: {"xid": "1", "reverses": "''", "item": _ITEM},
    Entry: {
        "movement": "'sites/hamburg/movements/movements-' || n / 2", "side": "1 + n % 2", "item_sequence": "n",
        "serial": "'items/item-' || n % 1000 || '/serials/serials-' || n",
        "item": _ITEM, "balance": "'sites/hamburg/balances/balances-' || n / 2",
    },
    ReceiptLine: {"receipt": "'sites/hamburg/receipts/receipts-' || n / 2", "line": "1 + n % 2"},
    GenealogyEdge: {
        "movement": "'sites/hamburg/movements/movements-' || n",
        "output_lot": "'items/item-' || n % 1000 || '/lots/lots-' || n",
        "input_lot": "'items/item-' || (n - 1) % 1000 || '/lots/lots-' || (n - 1)",
    },
    Allocation: {
        "reservation": "'sites/hamburg/reservations/reservations-' || n / 2",
        "balance": "'sites/hamburg/balances/balances-' || n",
    },
}  # fmt: skip


def expression(model: Any, column: Column[Any]) -> str:
    """What a column holds in row n, in SQL."""
    name = column.name
    special = _SPECIAL.get(model, {})
    if name in special:
        return special[name]
    if name == "name":
        kind = model.COLLECTION
        parent = _UNDER.get(model, "" if model in FLAT else SITE)
        return f"'{parent}{'/' if parent else ''}{kind}/{kind.lower()}-' || n"
    if name == "site":
        return "null" if model in FLAT or model in _UNDER else "'hamburg'"
    filtered = name in getattr(model, "FILTERABLE", ())
    if isinstance(column.type, EnumText):
        values = ", ".join(f"'{one}'" for one in column.type.kind)
        return f"(array[{values}])[1 + n % {len(column.type.kind)}]"
    kind = column.type.python_type
    if kind is list:
        return "'{}'"
    if kind in (dict, object):  # JSON
        return "null" if column.nullable else "'[]'"
    if kind is datetime:
        return "now() - n * interval '1 minute'"
    if kind is date:
        return "current_date - n % 1000"
    if column.nullable and not filtered:
        return "null"
    if kind is str:
        alone = any(name in index.columns for index in model.__table__.indexes if index.unique)
        if alone:
            return f"'{name}-' || n"
        return f"'{name}-' || n % 1000" if filtered or name in ("item", "location") else "''"
    return {bool: "false", int: "1 + n % 5", Decimal: "1", bytes: "''"}[kind]


def statement(model: Any, count: int) -> str:
    """The insert of so many rows of a table."""
    columns: Sequence[Column[Any]] = [column for column in model.__table__.columns if column.computed is None]
    names = ", ".join(column.name for column in columns)
    values = ", ".join(expression(model, column) for column in columns)
    table = model.__table__.name
    return f"insert into {table} ({names}) select {values} from generate_series(1, {count}) n"  # noqa: S608


def fill(connection: psycopg.Connection[Any]) -> None:
    """Fill all tables; foreign keys and triggers look away, indexes are made afterwards, nothing waits for a seal."""
    connection.execute("set session_replication_role = replica")
    connection.execute("set maintenance_work_mem = '128MB'")
    connection.execute("insert into ledger_head values ('hamburg', 1000000000000)")
    for model in (*LISTED, *PARTS):
        table = model.__table__.name
        indexes = connection.execute(_INDEXES, [table]).fetchall()
        for name, _ in indexes:
            connection.execute(f"drop index {name}")
        connection.execute(statement(model, COUNT if model in GROWING or model in PARTS else FEWER))
        for _, definition in indexes:
            connection.execute(definition)
        connection.execute(f"analyze {table}")
    connection.execute("set session_replication_role = origin")


_INDEXES = """
    select i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) from pg_index i
    where i.indrelid = %s::regclass and not exists (select from pg_constraint c where c.conindid = i.indexrelid)
"""
