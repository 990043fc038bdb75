"""Rows of CSV files as documents: made once, known again by what the other system calls them (MAT-321)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from google.protobuf.message import Message

from services.chassis.faults import AlreadyExists, Fault, FieldInvalid
from services.chassis.requests import problems
from services.chassis.unit import Unit
from services.materials.api.sheets import PAGE, CellRefused, Sheet, filled
from services.materials.model.exchange import Given, Outcome
from services.materials.model.item import Item
from services.materials.model.location import Location


class ContentDiffers(AlreadyExists):
    """The row's document is here, with other content than the row says, and such content does not change (MAT-321)."""

    text = "{resource} is here with another {column}; it is not changed by a file."


class DocumentSheet(Sheet):
    """Rows of documents; a check does what a run does, and takes it back."""

    message: ClassVar[type[Message]]
    prefix: ClassVar[str]
    linked = False

    def read(self, row: Given, site: str) -> Any:
        """The message of a row, which names items and places as the file does."""
        return filled(self.columns, self.message(), row)

    async def enter(self, unit: Unit, site: str, asked: Sequence[tuple[Given, Any]]) -> None:
        """Give each row its outcome, and write what is new or changed; a constant number of statements."""
        raise NotImplementedError

    async def judge(self, unit: Unit, site: str, rows: Sequence[Given], *, dry: bool, earlier: set[str]) -> None:
        asked = []
        for row in rows:
            if row.outcome:
                continue
            try:
                asked.append((row, self.read(row, site)))
            except CellRefused as error:
                row.refuse(error.column, "FIELD_INVALID", str(error))
            except Fault as fault:
                self.refuse(row, fault)
        if not asked:
            return
        if not dry:
            await self.enter(unit, site, asked)
            return
        try:
            async with unit.attempt():
                await self.enter(unit, site, asked)
                await unit.flush()
                raise _Undo
        except _Undo:
            pass

    def refuse(self, row: Given, fault: Fault) -> None:
        """Refuse a row, with the column that the fault speaks of."""
        row.refuse(self.column_of(fault, self.prefix), fault.reason, fault.message)

    def checked(self, message: Any) -> Any:
        """The message with what the contract asks of it."""
        if found := list(problems(message)):
            raise FieldInvalid.of(found)
        return message

    def same(self, row: Given, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """The row says what is so already; ContentDiffers with the first column that it does not."""
        for column in after:
            if before[column] != after[column]:
                raise ContentDiffers(resource=name, column=column).at(f"{self.prefix}{column}")
        row.done(Outcome.UNCHANGED, name)

    async def pages(self, unit: Unit, site: str, names: Sequence[str]) -> list[dict[str, str]]:
        """Cells of some documents, in order."""
        raise NotImplementedError

    async def order(self, unit: Unit, site: str) -> list[str]:
        """Names of all documents in the order of the file."""
        raise NotImplementedError

    async def export(self, unit: Unit, site: str) -> AsyncIterator[list[dict[str, str]]]:
        names = await self.order(unit, site)
        for first in range(0, len(names), PAGE):
            yield await self.pages(unit, site, names[first : first + PAGE])
            unit.session.expunge_all()

    def cells(self, message: Any) -> dict[str, str]:
        """Cells of the columns that a message fills."""
        return {column.name: column.cell(message) if column.path else "" for column in self.columns}


class _Undo(Exception):
    """A check leaves nothing behind."""


def item_of(named: Mapping[str, Item], word: str, field: str) -> str:
    """Name of the item that a word of the file stands for."""
    if word not in named:
        raise FieldInvalid(field=field, rule="must be the number, name or external id of an item", value=word)
    return named[word].name


def place_of(named: Mapping[str, Location], word: str, field: str) -> str:
    """Name of the place that a word of the file stands for; nothing for none."""
    if word and word not in named:
        raise FieldInvalid(field=field, rule="must be the id, name or external id of a place", value=word)
    return named[word].name if word else ""


def last(name: str) -> str:
    """Last part of a name."""
    return name.rsplit("/", 1)[-1]
