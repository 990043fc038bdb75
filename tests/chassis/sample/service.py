"""The sample service: one aggregate with states, events, pages, a batch and streams."""

from collections.abc import AsyncIterator
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import ARRAY, CheckConstraint, MetaData, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from services.chassis.faults import FailedPrecondition
from services.chassis.resource import NAMING, ResourceColumns, enum_text
from services.chassis.unit import Unit
from services.chassis.wire import canonical, decimal_of, quantity, values_for
from tests.chassis.sample.protos import pb


class Table(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    """Base of the sample's tables."""


class Resource(ResourceColumns, Table):
    """A resource of the sample."""


class BoxFull(FailedPrecondition):
    """More does not go in."""

    text = "{box} holds {capacity}; {level} are in it and {asked} more were asked."


class State(StrEnum):
    OPEN = "OPEN"
    SEALED = "SEALED"


class Box(Resource, table=True):
    """A box with a level."""

    COLLECTION: ClassVar[str] = "boxes"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset({(State.OPEN, State.SEALED)})
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"state", "title", "level", "made_date"})
    __table_args__ = (CheckConstraint("level >= 0", name="level"),)

    title: str = Field(sa_type=Text)
    state: State = Field(default=State.OPEN, sa_type=enum_text(State))
    level: Decimal = Field(default=Decimal(0), sa_type=Numeric(20, 6))
    capacity: Decimal = Field(sa_type=Numeric(20, 6))
    unit_code: str = Field(default="H87", sa_type=Text)
    marks: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))
    labels: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)

    @property
    def level_unit_code(self) -> str:
        return self.unit_code

    def fill(self, amount: Decimal) -> Any:
        """Put more in; refused beyond the capacity."""
        if self.state is not State.OPEN:
            self.move(State.OPEN)
        if self.level + amount > self.capacity:
            raise BoxFull(
                box=self.name,
                capacity=canonical(self.capacity),
                level=canonical(self.level),
                asked=canonical(amount),
            )
        self.level += amount
        return self.event(pb.BoxFilled(quantity=quantity(amount, self.unit_code)))

    def seal(self) -> Any:
        """Close it for good."""
        self.move(State.SEALED)
        return self.event(pb.BoxSealed())


class BoxService:
    """Boxes."""

    async def get_box(self, request: Any, unit: Unit) -> Box:
        return await unit.get(Box, request.name)

    async def list_boxes(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Box, request)

    async def stream_boxes(self, request: Any, unit: Unit) -> AsyncIterator[Box]:
        page = await unit.list(Box, request)
        for row in page.rows:
            yield row

    async def create_box(self, request: Any, unit: Unit) -> Box:
        name = unit.new_name(request.parent, "boxes", request.box_id)
        return unit.add(Box(name=name, **values_for(Box, request.box)))

    async def update_box(self, request: Any, unit: Unit) -> Box:
        box = await unit.get(Box, request.box.name, etag=request.box.etag)
        return unit.update(box, request.box, request.update_mask)

    async def fill_box(self, request: Any, unit: Unit) -> Box:
        box = await unit.get(Box, request.name, etag=request.etag)
        unit.emit(box.fill(decimal_of(request.quantity.value)))
        return box

    async def seal_box(self, request: Any, unit: Unit) -> Box:
        box = await unit.get(Box, request.name)
        unit.emit(box.seal())
        return box

    async def batch_fill_boxes(self, request: Any, unit: Unit) -> Any:
        batch = await unit.batch(request.requests)
        boxes = await unit.get_many(Box, [entry.request.name for entry in batch.open])
        for entry in batch.open:
            try:
                box = boxes[entry.request.name]
                unit.emit(box.fill(decimal_of(entry.request.quantity.value)))
                entry.answer(box)
            except FailedPrecondition as fault:
                entry.refuse(fault)
        return batch.response(pb.BatchFillBoxesResponse)

    async def pour_boxes(self, requests: AsyncIterator[Any], open_unit: Any) -> AsyncIterator[Any]:
        async for request in requests:
            async with open_unit(request) as unit:
                if unit.replayed is None:
                    box = await unit.get(Box, request.name)
                    unit.emit(box.fill(decimal_of(request.quantity.value)))
                    unit.answer(box)
            yield unit.replayed or unit.answered

    async def sum_boxes(self, requests: AsyncIterator[Any], open_unit: Any) -> Any:
        count = 0
        async for request in requests:
            async with open_unit(request) as unit:
                count += 1 if await unit.find(Box, request.name) else 0
        return pb.SumBoxesResponse(box_count=count)
