"""Imports of work-order history."""

from typing import Any

from plantops.maintenance.v1 import imports_pb2
from sqlalchemy import select

from services.chassis import uploads
from services.chassis.faults import FieldInvalid
from services.chassis.query import page_size, position
from services.chassis.unit import Unit
from services.chassis.wire import values_for
from services.maintenance.model import takeover
from services.maintenance.model.history import BATCH, Import, ImportError_, Part
from services.maintenance.model.site import Site


class MaintenanceImportService:
    """Work-order history from CSV."""

    async def get_maintenance_import(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Import, request.name)

    async def list_maintenance_imports(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Import, request)

    async def create_maintenance_import(self, request: Any, unit: Unit) -> Any:
        site = await unit.get(Site, request.parent, lock=False)
        name = unit.new_name(request.parent, Import.COLLECTION)
        found = Import(name=name, **values_for(Import, request.maintenance_import))
        found.mapping()
        if found.currency_code != site.currency_code:
            rule = f"must be the currency of the site, {site.currency_code}"
            raise FieldInvalid(field="maintenance_import.currency_code", rule=rule, value=found.currency_code)
        return unit.add(found)

    async def append_maintenance_import(self, request: Any, unit: Unit) -> Any:
        found = await unit.get(Import, request.name)
        found.append(request.offset, request.content)
        await uploads.keep(unit, Part, found.name, request.offset, request.content)
        return found

    async def check_maintenance_import(self, request: Any, unit: Unit) -> Any:
        """Try all rows without effect: what would be refused, what is known already."""
        found = await unit.get(Import, request.name)
        rows = await takeover.rows(unit, found)
        part = await takeover.sort(unit, found, rows)
        found.check(len(rows), len(part.known), len(part.faults))
        await takeover.forget_errors(unit, found)
        await takeover.note_errors(unit, found, part.faults)
        return found

    async def run_maintenance_import(self, request: Any, unit: Unit) -> Any:
        """At most BATCH rows in one unit, so that a run of any length commits as it goes."""
        found = await unit.get(Import, request.name)
        if found.begin(request.offset):
            await takeover.forget_errors(unit, found)
            await unit.flush()  # the database sees each move by itself (REL-68)
        rows = await takeover.rows(unit, found)
        part = await takeover.sort(unit, found, rows[found.next_row : found.next_row + BATCH])
        await takeover.note_errors(unit, found, part.faults)
        await takeover.take(unit, found, part)
        found.took(len(rows), imported=len(part.new), known=len(part.known), refused=len(part.faults))
        return found

    async def list_maintenance_import_errors(self, request: Any, unit: Unit) -> Any:
        found = await unit.get(Import, request.parent)
        size = page_size(request)
        rows = await unit.all(
            select(ImportError_)
            .where(ImportError_.import_ == found.name, ImportError_.row > position(request))  # type: ignore[arg-type]
            .order_by(ImportError_.row)  # type: ignore[arg-type]
            .limit(size + 1)
        )
        answer = imports_pb2.ListMaintenanceImportErrorsResponse()
        for row in rows[:size]:
            answer.errors.add(row=row.row, column=row.column, code=row.code, text=row.text)
        if len(rows) > size:
            answer.next_page_token = str(rows[size - 1].row)
        return answer
