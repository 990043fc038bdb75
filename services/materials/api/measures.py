"""Key figures."""

from typing import Any

from plantops.materials.v1 import measures_pb2

from services.chassis import operations, query
from services.chassis.unit import Unit
from services.chassis.wire import python_of
from services.materials import measures
from services.materials.measures import Asked


class MaterialsMeasureService:
    """Key figures by their published definitions."""

    async def get_materials_measure(self, request: Any, unit: Unit) -> Any:
        measures.definition_of(request.measure, "measure")
        return await measures.compute(unit, await _asked(unit, request), request.measure)

    async def batch_get_materials_measures(self, request: Any, unit: Unit) -> Any:
        for index, name in enumerate(request.measures):
            measures.definition_of(name, f"measures[{index}]")
        asked = await _asked(unit, request)
        answer = measures_pb2.BatchGetMaterialsMeasuresResponse()
        for name in request.measures:
            answer.measures.append(await measures.compute(unit, asked, name))
        return answer

    async def list_materials_measure_definitions(self, request: Any, unit: Unit) -> Any:
        answer = measures_pb2.ListMaterialsMeasureDefinitionsResponse()
        size, bound, after = query.page_size(request), operations.bound_to(unit), ""
        if request.page_token:
            (after,) = query.open_token(request.page_token, bound, unit.context.page_token_key, 1)
        rows = sorted((row for row in measures.DEFINITIONS.values() if row.name > after), key=lambda row: row.name)
        if len(rows) > size:
            answer.next_page_token = query.seal_token([rows[size - 1].name], bound, unit.context.page_token_key)
        for row in rows[:size]:
            answer.definitions.add(
                measure=row.name,
                definition=row.id,
                formula=row.formula,
                unit_code=row.unit_code,
                event_types=row.events,
            )
        return answer


async def _asked(unit: Unit, request: Any) -> Asked:
    first, last = python_of(request.start_date), python_of(request.end_date)
    return await Asked.of(unit, request.parent, first, last, request.item_class)
