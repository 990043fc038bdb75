"""Rows of CSV files as resources: columns by the contract's fields, judged and written a thousand at a time.

A sheet reads what its rows speak of with a constant number of statements, makes of each row a message of the
contract, and compares. What a check says, a run does (MAT-320, MAT-321).
"""

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from sqlalchemy import false, or_, select

from services.chassis import audit, wire
from services.chassis.faults import Fault, FieldInvalid
from services.chassis.requests import problems
from services.chassis.unit import Unit
from services.materials.api.sheets_columns import Column
from services.materials.model import exchange
from services.materials.model.exchange import Externals, Given, Kind, Outcome
from services.materials.rules.csv_cells import CellInvalid

PAGE = 1000
ID = re.compile(r"[a-z][a-z0-9-]{0,62}")


@dataclass(slots=True)
class Known:
    """What is known of some rows: resources by name and by natural key, external ids, and what else they name."""

    externals: Externals
    by_name: dict[str, Any] = field(default_factory=dict)
    by_key: dict[Any, Any] = field(default_factory=dict)
    named: dict[str, Any] = field(default_factory=dict)
    earlier: set[str] = field(default_factory=set)
    more: dict[str, Any] = field(default_factory=dict)


class Sheet:
    """What files of one kind are made of."""

    kind: ClassVar[Kind]
    columns: ClassVar[tuple[Column, ...]]
    required: ClassVar[tuple[str, ...]]
    permissions: ClassVar[tuple[str, ...]]
    flat: ClassVar[bool] = False
    linked: ClassVar[bool] = True  # its external ids are remembered beside it, and are unique by themselves

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return [column.name for column in self.columns]

    def home(self, site: str) -> str:
        """Where external ids count: at the site, or everywhere."""
        return "" if self.flat else site

    def keys(self, cells: Mapping[str, str]) -> list[str]:
        """What two rows of one file must not have in common."""
        raise NotImplementedError

    async def judge(self, unit: Unit, site: str, rows: Sequence[Given], *, dry: bool, earlier: set[str]) -> None:
        """Give each open row its outcome; unless dry, write what is new or changed.

        `earlier` holds keys of rows before these, which a check takes for known.
        """
        raise NotImplementedError

    def export(self, unit: Unit, site: str) -> AsyncIterator[list[dict[str, str]]]:
        """All rows, a page at a time."""
        raise NotImplementedError

    def column_of(self, fault: Fault, prefix: str) -> str:
        """The column that a fault speaks of; empty for the whole row."""
        paths = [name.removeprefix(prefix) for name, _ in fault.fields] or [fault.metadata.get("field", "")]
        path = re.sub(r"\[\d+\]", "", paths[0].removeprefix(prefix))
        fitting = [column for column in self.columns if column.path and f"{path}.".startswith(f"{column.path}.")]
        fitting += [column for column in self.columns if column.path and column.path.startswith(f"{path}.")]
        return fitting[0].name if fitting else (path if path in self.names else "")


class ResourceSheet(Sheet):
    """Rows that are resources of one class."""

    model: ClassVar[Any]
    message: ClassVar[type[Message]]
    prefix: ClassVar[str]

    # --- what a kind says of itself ---------------------------------------------------------------------------

    async def known(self, unit: Unit, site: str, rows: Sequence[Given], *, dry: bool) -> Known:
        """What the rows speak of, with a constant number of statements."""
        raise NotImplementedError

    def natural(self, row: Given, known: Known) -> Any:
        """What a row is known by without external id; None when it has nothing of the kind."""
        raise NotImplementedError

    def parent(self, site: str, row: Given, known: Known) -> str:
        """Name under which a new one lies."""
        raise NotImplementedError

    def identifier(self, row: Given, known: Known) -> str:
        """The last part of a new one's name; empty when the service makes it."""
        return row.cells.get("id", "")

    def fill(self, message: Any, row: Given, known: Known) -> None:
        """Fill what needs more than the cell."""

    def before(self, made: Any) -> dict[str, Any]:
        """What a check of a change has to know of before it."""
        return {}

    def new(self, unit: Unit, row: Given, made: Any, known: Known) -> None:
        """Complete and check a new one."""

    def changed(self, unit: Unit, row: Given, made: Any, before: Mapping[str, Any], known: Known) -> None:
        """Check a known one that was changed."""

    def told(self, made: Any) -> Message | None:
        """The event of a new or changed one."""
        return None

    async def held(self, unit: Unit, known: Known, *, dry: bool) -> None:
        """Look at what only some changes ask for; may refuse rows."""

    def shown(self, made: Any, known: Known) -> dict[str, str]:
        """Cells of an export that need more than the field."""
        return {}

    # --- the way of a chunk -----------------------------------------------------------------------------------

    async def judge(self, unit: Unit, site: str, rows: Sequence[Given], *, dry: bool, earlier: set[str]) -> None:
        left = [row for row in rows if not row.outcome]
        known = await self.known(unit, site, left, dry=dry)
        known.earlier = earlier if dry else set()
        found = [(row, made) for row in left if (made := self._one(unit, site, row, known)) is not None]
        await self.held(unit, known, dry=dry)
        found = [(row, made) for row, made in found if row.outcome not in ("", Outcome.ERROR, Outcome.UNCHANGED)]
        if dry or not found:
            return
        for _, made in found:
            event = self.told(made)
            if event is not None:
                unit.emit(event)
        await exchange.put(unit, self.model, [made for _, made in found])
        links = [
            (row.external_id, row.resource, "")
            for row, _ in found
            if row.external_id and row.external_id not in known.externals.by_id
        ]
        await exchange.link(unit, self.kind, self.home(site), links)

    def _one(self, unit: Unit, site: str, row: Given, known: Known) -> Any:
        try:
            return self._compared(unit, site, row, known)
        except CellRefused as error:
            row.refuse(error.column, "FIELD_INVALID", str(error))
        except Fault as fault:
            row.refuse(self.column_of(fault, self.prefix), fault.reason, fault.message)
        return None

    def _compared(self, unit: Unit, site: str, row: Given, known: Known) -> Any:
        message = self._message(row, known)
        found = self._found(row, known)
        if found is None:
            given = self.identifier(row, known)
            if given and not ID.fullmatch(given):
                raise FieldInvalid(field="id", rule="must be small letters, digits and -, beginning with a letter")
            name = unit.new_name(self.parent(site, row, known), self.model.COLLECTION, given)
            if name in known.by_name:
                raise FieldInvalid(field="id", rule=f"belongs to {name} already", value=given)
            made = self.model(name=name, **wire.values_for(self.model, message))
            made.site = name.split("/")[1] if name.startswith("sites/") else None
            made.create_time = unit.now
            self.new(unit, row, made, known)
            row.done(Outcome.CREATED, name)
        else:
            made = found
            before = self.before(made)
            mask = FieldMask(paths=sorted({column.top for column in self.columns if column.name in row.cells} - {""}))
            unit.update(made, message, mask)
            self.changed(unit, row, made, before, known)
            _, after = audit.changes(made)
            linked = bool(row.external_id) and row.external_id not in known.externals.by_id
            row.done(Outcome.UPDATED if after or linked else Outcome.UNCHANGED, made.name)
        known.by_name[made.name] = made
        return made

    def _found(self, row: Given, known: Known) -> Any:
        name, _ = known.externals.by_id.get(row.external_id, ("", ""))
        by_key = known.by_key.get(self.natural(row, known))
        found = known.by_name.get(name) if name else by_key
        if found is not None and by_key is not None and by_key is not found:
            raise FieldInvalid(field="external_id", rule=f"belongs to {name}, the row is {by_key.name}")
        if found is not None and (given := row.cells.get("id", "")) and given != found.id:
            raise FieldInvalid(field="id", rule=f"is {found.id} and does not change", value=given)
        other = known.externals.by_name.get(found.name, "") if found is not None else ""
        if row.external_id and other and other != row.external_id:
            raise FieldInvalid(field="external_id", rule=f"is {other} and does not change", value=row.external_id)
        return found

    def _message(self, row: Given, known: Known) -> Any:
        message: Any = filled(self.columns, self.message(), row)
        self.fill(message, row, known)
        if found := list(problems(message)):
            raise FieldInvalid.of(found)
        return message

    # --- out --------------------------------------------------------------------------------------------------

    def pages(self, site: str) -> Any:
        """The select of all rows."""
        statement = select(self.model)
        return statement if self.flat else statement.where(self.model.site == site)

    async def order(self, unit: Unit, site: str) -> list[str]:
        """Names in the order of the file: what a row names stands before it."""
        columns: Any = self.model
        return list(await unit.all(self.pages(site).with_only_columns(columns.name).order_by(columns.name)))

    async def export(self, unit: Unit, site: str) -> AsyncIterator[list[dict[str, str]]]:
        names = await self.order(unit, site)
        for first in range(0, len(names), PAGE):
            part = names[first : first + PAGE]
            found = {row.name: row for row in await unit.all(select(self.model).where(self.model.name.in_(part)))}
            rows = [found[name] for name in part if name in found]
            externals = await exchange.externals(unit, self.kind, self.home(site), (), part)
            known = await self.around(unit, site, rows)
            page = []
            for row in rows:
                message = wire.fill(self.message(), row)
                cells = {column.name: column.cell(message) for column in self.columns if column.path}
                cells |= {"external_id": externals.by_name.get(row.name, ""), "id": row.id}
                page.append(cells | self.shown(row, known))
            unit.session.expunge_all()
            await unit.release()  # a file may take longer than a transaction may last
            yield page

    async def around(self, unit: Unit, site: str, rows: Sequence[Any]) -> Known:
        """What cells of exported rows name."""
        return Known(Externals())


def filled(columns: Sequence[Column], message: Any, row: Given) -> Any:
    """The message with what the cells of a row say; CellRefused for one that cannot be read."""
    for column in columns:
        try:
            column.put(message, row.cells.get(column.name, ""))
        except (CellInvalid, FieldInvalid) as error:
            raise CellRefused(column.name, error.message if isinstance(error, Fault) else str(error)) from None
    for column in columns:  # a unit or currency without a value says nothing
        if column.path and not column.path.endswith(("_code",)) and not row.cells.get(column.name, ""):
            descriptor = message.DESCRIPTOR.fields_by_name[column.top]
            if descriptor.message_type is not None and descriptor.message_type.full_name in _WITH_UNIT:
                message.ClearField(column.top)
    return message


class CellRefused(Exception):
    """A cell that cannot be read."""

    def __init__(self, column: str, words: str) -> None:
        super().__init__(words)
        self.column = column


async def resources(
    unit: Unit, model: Any, names: Iterable[str], *conditions: Any, lock: bool = False
) -> dict[str, Any]:
    """Resources by name or condition in one statement, no longer held by the session: what is done to them is put."""
    statement = select(model).where(or_(model.name.in_(sorted(set(names))), *conditions, false())).order_by(model.name)
    if lock:
        statement = statement.with_for_update(of=model)
    rows = await unit.all(statement)
    for row in rows:
        unit.session.expunge(row)
    return {row.name: row for row in rows}


_WITH_UNIT = {wire.QUANTITY, wire.MONEY}
