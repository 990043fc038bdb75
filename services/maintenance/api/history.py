"""Measures, imports of history, the chain and the lookup of codes."""

from datetime import datetime, time
from decimal import Decimal
from itertools import islice
from typing import Any

from plantops.maintenance.v1 import chain_pb2, imports_pb2
from sqlalchemy import delete, or_, select

from services.chassis import chain
from services.chassis.faults import FieldInvalid
from services.chassis.query import page_size
from services.chassis.unit import Unit
from services.chassis.wire import python_of, values_for
from services.maintenance import measures
from services.maintenance.model import asset as assets
from services.maintenance.model import work_order as orders
from services.maintenance.model.asset import Asset
from services.maintenance.model.demand import CostKind
from services.maintenance.model.history import BATCH, Import, ImportError_, State
from services.maintenance.model.site import Site
from services.maintenance.model.work_order import WorkOrder
from services.maintenance.rules import csv_rows


class MaintenanceMeasureService:
    """Key figures by their published definitions."""

    async def get_maintenance_measure(self, request: Any, unit: Unit) -> Any:
        return await measures.compute(unit, request, python_of(request.start_date), python_of(request.end_date))


class MaintenanceImportService:
    """Work-order history from CSV."""

    async def get_maintenance_import(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Import, request.name)

    async def list_maintenance_imports(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Import, request)

    async def create_maintenance_import(self, request: Any, unit: Unit) -> Any:
        await unit.get(Site, request.parent, lock=False)
        name = unit.new_name(request.parent, Import.COLLECTION)
        found = Import(name=name, **values_for(Import, request.maintenance_import))
        found.mapping()
        return unit.add(found)

    async def append_maintenance_import(self, request: Any, unit: Unit) -> Any:
        return (await unit.get(Import, request.name)).append(request.offset, request.content)

    async def check_maintenance_import(self, request: Any, unit: Unit) -> Any:
        found = await unit.get(Import, request.name)
        found.move(State.CHECKED)
        await unit.execute(delete(ImportError_).where(ImportError_.import_ == found.name))  # type: ignore[arg-type]
        await unit.flush()
        rows = list(_rows(found))
        found.row_count = len(rows)
        faults = await _unknown_assets(unit, found, rows)
        _refuse(unit, found, faults)
        return found

    async def run_maintenance_import(self, request: Any, unit: Unit) -> Any:
        """At most BATCH rows in one unit, so that a run of any length commits as it goes."""
        found = await unit.get(Import, request.name)
        if found.state is not State.RUNNING:
            await unit.execute(delete(ImportError_).where(ImportError_.import_ == found.name))  # type: ignore[arg-type]
            found.error_count = 0
        found.move(State.RUNNING)
        await unit.flush()
        rows = list(_rows(found))
        found.row_count = len(rows)
        part = list(islice(rows, request.offset, request.offset + BATCH))
        faults = await _unknown_assets(unit, found, part)
        _refuse(unit, found, faults)
        bad = {fault.row for fault in faults}
        site = await unit.get(Site, f"sites/{found.site}", lock=False)
        good = [row for row in part if isinstance(row, csv_rows.Row) and row.row not in bad]
        names = {row.key: f"{site.name}/{WorkOrder.COLLECTION}/h{row.key}" for row in good}
        known = set(
            await unit.all(select(WorkOrder.name).where(WorkOrder.name.in_(names.values())))  # type: ignore[call-overload, attr-defined]
        )
        for row in good:
            if names[row.key] in known:
                found.known_count += 1
            else:
                found.imported_count += 1
                unit.add(_imported(names[row.key], row, site, found))
        found.next_row = min(request.offset + BATCH, len(rows))
        if found.next_row >= len(rows):
            found.move(State.DONE)
        return found

    async def list_maintenance_import_errors(self, request: Any, unit: Unit) -> Any:
        found = await unit.get(Import, request.parent)
        size = page_size(request)
        if request.page_token and not request.page_token.isdigit():
            raise FieldInvalid(field="page_token", rule="must come from the page before", value=request.page_token)
        rows = await unit.all(
            select(ImportError_)
            .where(ImportError_.import_ == found.name, ImportError_.row > int(request.page_token or 0))  # type: ignore[arg-type]
            .order_by(ImportError_.row)  # type: ignore[arg-type]
            .limit(size + 1)
        )
        answer = imports_pb2.ListMaintenanceImportErrorsResponse()
        for row in rows[:size]:
            answer.errors.add(row=row.row, column=row.column, code=row.code, text=row.text)
        if len(rows) > size:
            answer.next_page_token = str(rows[size - 1].row)
        return answer


def _rows(found: Import) -> list[csv_rows.Row | csv_rows.Fault]:
    try:
        return list(csv_rows.read(found.content, found.mapping()))
    except csv_rows.FileUnreadable as error:
        raise FieldInvalid(field="content", rule=str(error)) from None


async def _unknown_assets(unit: Unit, found: Import, rows: list[csv_rows.Row | csv_rows.Fault]) -> list[csv_rows.Fault]:
    """Faults of the rows, and rows whose asset the site does not have."""
    faults = [row for row in rows if isinstance(row, csv_rows.Fault)]
    good = [row for row in rows if isinstance(row, csv_rows.Row)]
    wanted = {_asset(found, row) for row in good}
    known = set(await unit.all(select(Asset.name).where(Asset.name.in_(wanted))))  # type: ignore[call-overload, attr-defined]
    column = next(item.get("column", "") for item in found.columns if item["field"] == "asset")
    for row in good:
        if _asset(found, row) not in known:
            text = f"{row.values['asset']!r} is no asset of sites/{found.site}"
            faults.append(csv_rows.Fault(row.row, column, "ASSET_UNKNOWN", text))
        elif row.values.get("kind", "CORRECTIVE") not in set(orders.Kind):
            text = f"{row.values['kind']!r} is no kind of work order"
            faults.append(csv_rows.Fault(row.row, "kind", "VALUE_UNMAPPED", text))
    return faults


def _asset(found: Import, row: csv_rows.Row) -> str:
    value = row.values["asset"]
    return value if value.startswith("sites/") else f"sites/{found.site}/{Asset.COLLECTION}/{value.lower()}"


def _refuse(unit: Unit, found: Import, faults: list[csv_rows.Fault]) -> None:
    found.error_count += len(faults)
    for fault in faults:
        unit.session.add(
            ImportError_(import_=found.name, row=fault.row, column=fault.column, code=fault.code, text=fault.text)
        )


def _imported(name: str, row: csv_rows.Row, site: Site, found: Import) -> WorkOrder:
    """A closed order of the past: nothing is triggered, reserved or told (MNT-345)."""
    finish = row.finish or row.start
    start = row.start or row.finish
    cost = row.cost if row.cost is not None else Decimal(0)
    order = WorkOrder(
        name=name,
        number=f"H-{row.key[:12].upper()}",
        asset=_asset(found, row),
        kind=orders.Kind(row.values.get("kind", "CORRECTIVE")),
        origin=orders.Origin.IMPORTED,
        title=row.values["title"],
        text=row.values.get("text", ""),
        state=orders.State.CLOSED,
        actual_start_time=datetime.combine(start, time(), tzinfo=site.zone) if start else None,
        actual_finish_time=datetime.combine(finish, time(), tzinfo=site.zone) if finish else None,
        currency_code=found.currency_code,
        external_id=row.values.get("external_id", ""),
        reporter=found.name,
    )
    if row.cost is not None and finish is not None:
        order.book(CostKind.IMPORTED, cost, found.name, finish)
    return order


class MaintenanceChainService:
    """The part of a chain of work that maintenance owns."""

    async def list_maintenance_chain(self, request: Any, unit: Unit) -> Any:
        return await chain.page(unit, request, chain_pb2.ListMaintenanceChainResponse())


class MaintenanceLookupService:
    """What a code stands for in maintenance."""

    async def lookup_maintenance_code(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[-1]
        code = request.code.strip()
        answer = chain_pb2.LookupMaintenanceCodeResponse()
        asset_rows = await unit.all(
            select(Asset)
            .where(
                Asset.site == site,  # type: ignore[arg-type]
                or_(Asset.tag == code, Asset.number == code, Asset.name == f"{request.parent}/assets/{code.lower()}"),  # type: ignore[arg-type]
            )
            .limit(20)
        )
        for row in asset_rows:
            match = answer.matches.add(kind="asset", resource=row.name, title=row.title, state=row.state.value)
            if row.state is assets.State.IN_SERVICE:
                match.actions.add(
                    verb="report", rpc="plantops.maintenance.v1.WorkOrderService/CreateWorkOrder", resource=row.name
                )
        order_rows = await unit.all(
            select(WorkOrder)
            .where(WorkOrder.site == site, or_(WorkOrder.number == code, WorkOrder.name == code))  # type: ignore[arg-type]
            .limit(20)
        )
        for order in order_rows:
            match = answer.matches.add(
                kind="work_order", resource=order.name, title=order.title, state=order.state.value
            )
            for state, verb in _VERBS.get(order.state, ()):
                rpc = f"plantops.maintenance.v1.WorkOrderService/{state}WorkOrder"
                match.actions.add(verb=verb, rpc=rpc, resource=order.name)
        return answer


_VERBS = {
    orders.State.PLANNED: (("Approve", "approve"), ("Cancel", "cancel")),
    orders.State.READY: (("Start", "start"),),
    orders.State.IN_PROGRESS: (("Pause", "pause"), ("Complete", "complete")),
    orders.State.PAUSED: (("Resume", "resume"), ("Complete", "complete")),
    orders.State.COMPLETED: (("Close", "close"),),
}
