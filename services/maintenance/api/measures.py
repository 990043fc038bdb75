"""Key figures."""

from typing import Any

from services.chassis.unit import Unit
from services.chassis.wire import python_of
from services.maintenance import measures


class MaintenanceMeasureService:
    """Key figures by their published definitions."""

    async def get_maintenance_measure(self, request: Any, unit: Unit) -> Any:
        return await measures.compute(unit, request, python_of(request.start_date), python_of(request.end_date))
