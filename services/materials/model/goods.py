"""Lines of documents by which goods leave: one item and lot at a place, or a whole handling unit with its content."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Numeric, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from services.chassis.faults import FailedPrecondition
from services.chassis.resource import enum_text
from services.chassis.unit import Unit
from services.materials.model import claims
from services.materials.model.base import Table
from services.materials.model.ledger import ZERO, Entered, Line, by_serial
from services.materials.model.location import Location
from services.materials.model.movement import Balance, Status


class StockClaimed(FailedPrecondition):
    """Reservations hold what is to leave; they stay where their stock is (MAT-70)."""

    text = "{document} cannot leave: {reservations} hold some of it."


class GoodsLine(Table):
    """What goes. Of a whole unit `handling_unit` alone is given, until its content takes the place of the line."""

    item: str = Field(default="", sa_type=Text, nullable=False)
    lot: str = Field(default="", sa_type=Text, nullable=False)
    status: Status = Field(default=Status.UNRESTRICTED, sa_type=enum_text(Status), nullable=False)
    location: str = Field(default="", sa_type=Text, nullable=False)
    handling_unit: str = Field(default="", sa_type=Text, nullable=False)
    outer_handling_unit: str = Field(default="", sa_type=Text, nullable=False)
    owner: str = Field(default="", sa_type=Text, nullable=False)
    project: str = Field(default="", sa_type=Text, nullable=False)
    quantity: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    unit_code: str = Field(default="", sa_type=Text, nullable=False)
    second_quantity: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    second_quantity_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    entered_quantity: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    entered_quantity_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    factor_numerator: int = Field(default=1, sa_type=BigInteger, nullable=False)
    factor_denominator: int = Field(default=1, sa_type=BigInteger, nullable=False)
    serials: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]

    @property
    def of_unit(self) -> bool:
        """Whether it stands for a whole unit whose content is not listed yet."""
        return not self.item

    @property
    def entered(self) -> Entered | None:
        """The quantity as it was stated (MAT-2)."""
        if self.entered_quantity is None:
            return None
        return Entered(
            self.entered_quantity, self.entered_quantity_unit_code, self.factor_numerator, self.factor_denominator
        )


def content_of(balance: Balance, root: str) -> dict[str, Any]:
    """Values of the line that stock in a unit becomes; each serial is one of its own."""
    return {
        "item": balance.item, "lot": balance.lot, "status": balance.status, "location": balance.location,
        "handling_unit": balance.handling_unit, "outer_handling_unit": root, "owner": balance.owner,
        "project": balance.project, "quantity": balance.on_hand, "unit_code": balance.unit_code,
        "second_quantity": balance.second_on_hand, "second_quantity_unit_code": balance.second_on_hand_unit_code,
        "serials": [balance.serial] if balance.serial else [],
    }  # fmt: skip


def outgoing(row: GoodsLine, target: Location, *, unloaded: bool = False) -> list[Line]:
    """What a line takes from where it lies to another place; goods in a unit stay in it, also on the other side.

    Goods `unloaded` are under way in none: their unit has left, and comes back with them at another site.
    """
    line = Line(
        item=row.item, lot=row.lot, quantity=row.quantity, unit_code=row.unit_code, from_location=row.location,
        to_location=target.name, from_status=row.status, to_status=row.status, from_handling_unit=row.handling_unit,
        to_handling_unit="" if unloaded else row.handling_unit, from_owner=row.owner, to_owner=row.owner,
        from_project=row.project, to_project=row.project, to_virtual=target.virtual,
        second_quantity=row.second_quantity, second_unit_code=row.second_quantity_unit_code, entered=row.entered,
    )  # fmt: skip
    return by_serial(line, row.serials)


async def refuse_claimed(unit: Unit, site: str, document: str, lines: Sequence[Line]) -> None:
    """StockClaimed when what is free does not do, naming who holds the rest; the caller holds the items."""
    found = await claims.attach(unit, site, lines)
    if found:
        raise StockClaimed(document=document, reservations=sorted({claim.reservation for claim in found}))


def numbered(rows: Iterable[Any]) -> int:
    """Number for the next line of a document."""
    return max((row.line for row in rows), default=0) + 1
