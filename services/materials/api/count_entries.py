"""Entries of counts: what was counted, what is accepted, what is posted; each with its own outcome (MAT-146 .. 150)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from plantops.materials.v1 import counts_pb2
from sqlalchemy import select, text

from services.chassis.batch import Batch
from services.chassis.db import json_text
from services.chassis.faults import Fault, FieldInvalid, TimeInFuture
from services.chassis.unit import Unit
from services.chassis.wire import decimal_of, enum_name, fill, python_of
from services.materials.model import count_lines, handling_unit, ledger
from services.materials.model.count import CountDocument, CountLine, LineState, Mode, State
from services.materials.model.handling_unit import Path
from services.materials.model.item import Item
from services.materials.model.location import VIRTUAL
from services.materials.model.lot import Lot, Serial
from services.materials.model.movement import Status

HIDDEN = ("snapshot", "counted", "second_counted", "book", "difference", "second_difference", "value")
KEY = ("item", "location", "lot", "serial", "handling_unit", "owner", "project")

_KEYS = text("""
    select x.n, balance_key(:site, x.item, x.location, x.lot, x.status, x.serial, x.handling_unit, x.owner, x.project)
             as balance, coalesce(nullif(s.count_class, ''), 'C') as count_class
    from jsonb_to_recordset(cast(:rows as jsonb)) x(n int, item text, location text, lot text, status text, serial text,
                                                    handling_unit text, owner text, project text)
    left join item_settings s on s.site = :site and s.item = x.item order by x.n
""")


@dataclass(slots=True)
class Work:
    """A count under way and those of its lines that a call names: items first, then the count, then the lines."""

    unit: Unit
    site: str
    document: CountDocument
    lines: dict[str, CountLine]

    @classmethod
    async def of(cls, unit: Unit, parent: str, names: Sequence[str], more_items: Sequence[str] = ()) -> "Work":
        """Locked in the order that all keep (MAT-74)."""
        site = parent.split("/")[1]
        rows = await unit.execute(
            select(CountLine.item).where(CountLine.name.in_(sorted(set(names)))).distinct()  # type: ignore[call-overload, attr-defined]
        )
        await ledger.hold(unit, site, {row.item for row in rows} | set(more_items))
        document = await unit.get(CountDocument, parent)
        return cls(unit, site, document, await unit.get_many(CountLine, names))

    def under_way(self, batch: Batch[Any]) -> bool:
        """Whether lines are being counted; else entries that were not answered before are refused."""
        try:
            self.document.started()
        except Fault as fault:
            for entry in batch.open:
                entry.refuse(fault)
        return self.document.state is State.STARTED

    def line(self, name: str, field_name: str = "name") -> CountLine:
        """A line of this count; FieldInvalid for another."""
        line = self.lines.get(name)
        if line is None or line.count != self.document.name:
            raise FieldInvalid(field=field_name, rule="must be a line of the count", value=name)
        return line


@dataclass(slots=True)
class _Given:
    """One entry with the line that it speaks of."""

    entry: Any
    line: CountLine


@dataclass(slots=True)
class Recording:
    """What is needed to judge what was counted; read with as many statements for many entries as for one."""

    work: Work
    items: dict[str, Item]
    lots: dict[str, Lot]
    serials: dict[str, Serial]
    units: dict[str, Path]
    places: set[str]
    keys: dict[int, tuple[str, str]]
    by_balance: dict[str, CountLine]
    seen: set[str] = field(default_factory=set)
    new: list[CountLine] = field(default_factory=list)
    skipped: list[_Given] = field(default_factory=list)

    @classmethod
    async def of(cls, unit: Unit, parent: str, batch: Batch[Any]) -> "Recording":
        """What the entries name."""
        asked = [entry.request for entry in batch.open]
        loose = [request for request in asked if not request.line]
        items = {request.item for request in loose}
        known = await unit.get_many(Item, items, lock=False)
        site = parent.split("/")[1]
        keys = await _keys(unit, site, [entry for entry in batch.open if not entry.request.line])
        rows = await unit.execute(
            select(CountLine.name).where(  # type: ignore[call-overload]
                CountLine.count == parent,
                CountLine.balance.in_(sorted({key for key, _ in keys.values()})),  # type: ignore[attr-defined]
            )
        )
        names = [request.line for request in asked if request.line] + [row.name for row in rows]
        document = await unit.get(CountDocument, parent, lock=False)
        places = await count_lines.leaves(unit, site, document.locations, VIRTUAL)
        there = await count_lines.items_at(unit, site, places, []) if document.mode is Mode.LOCKED else []
        work = await Work.of(unit, parent, names, [*known, *there])
        known |= await unit.get_many(Item, {line.item for line in work.lines.values()} - set(known), lock=False)
        return cls(
            work, known,
            await unit.get_many(Lot, {request.lot for request in loose if request.lot}, lock=False),
            await unit.get_many(Serial, {request.serial for request in loose if request.serial}, lock=False),
            await handling_unit.paths(unit, (request.handling_unit for request in loose if request.handling_unit)),
            set(places), keys, {line.balance: line for line in work.lines.values()},
        )  # fmt: skip

    def take(self, entry: Any) -> _Given | None:
        """Check an entry and note what it says; None for one that is skipped."""
        request, unit = entry.request, self.work.unit
        line = self._line(entry)
        if line.balance in self.seen:
            raise FieldInvalid(field="line", rule="stands twice in this batch", value=line.name)
        line.may_be_counted(unit.caller.name)
        if request.skipped:
            if not request.note:
                raise FieldInvalid(field="note", rule="is required for what is skipped")
            if not line.name:
                raise FieldInvalid(field="skipped", rule="is for what the book has")
            line.skip(request.note)
            self.skipped.append(_Given(entry, line))
            self.seen.add(line.balance)
            return None
        item = self.items[line.item]
        counted, second = _counted(item, request, line)
        at = python_of(request.count_time) if request.HasField("count_time") else unit.now
        since = line.count_time or self.work.document.start_time
        if at > unit.now:
            raise TimeInFuture(field="count_time", value=at.isoformat(), limit=unit.now.isoformat())
        if since is not None and at < since:
            raise FieldInvalid(field="count_time", rule=f"must not be before {since.isoformat()}", value=at.isoformat())
        line.counted, line.second_counted, line.count_time = counted, second, at
        line.note = request.note or line.note
        if not line.name:
            number = self.work.document.line_count + len(self.new) + 1
            line.name = f"{self.work.document.name}/{CountLine.COLLECTION}/{number:05d}"
            self.new.append(line)
        self.seen.add(line.balance)
        return _Given(entry, line)

    async def judge(self, given: Sequence[_Given]) -> None:
        """What the ledger says of the lines, and what follows (MAT-146, MAT-147, MAT-149)."""
        unit, document = self.work.unit, self.work.document
        parameters = document.judged_by
        lines = [row.line for row in given]
        found = await count_lines.figures(
            unit, self.work.site, lines, parameters.window, lambda line: line.found or document.mode is Mode.CONTINUOUS
        )
        for line, figures in zip(lines, found, strict=True):
            line.record(unit.caller.name, figures, parameters)
        for line in self.new:
            unit.add(line)
        document.line_count += len(self.new)
        await count_lines.write(unit, self.work.lines.values())
        await unit.flush()
        await self._doubt_twins(lines)
        for row in [*given, *self.skipped]:
            row.entry.answer(shown(row.line))

    async def _doubt_twins(self, lines: Sequence[CountLine]) -> None:
        """A serial that was counted in two places (MAT-148)."""
        serials = [line.name for line in lines if line.serial and line.counted]
        if not serials:
            return
        known = {line.name: line for line in lines}
        for name, (other, place) in (await count_lines.twins(self.work.unit, serials)).items():
            if known[name].state in (LineState.COUNTED, LineState.AMBIGUOUS):
                known[name].doubt(f"the serial was counted at {place} too ({other})")
        await count_lines.write(self.work.unit, lines)

    def _line(self, entry: Any) -> CountLine:
        """The line of an entry; what the book does not have becomes one (MAT-148)."""
        request = entry.request
        if request.line:
            return self.work.line(request.line, "line")
        key, count_class = self.keys[entry.index]
        if key not in self.by_balance:
            self.by_balance[key] = self._found(entry, key, count_class)
        return self.by_balance[key]

    def _found(self, entry: Any, key: str, count_class: str) -> CountLine:
        request, document = entry.request, self.work.document
        item = self.items.get(request.item)
        if item is None or (document.items and item.name not in document.items):
            raise FieldInvalid(field="item", rule="must be an item that is counted", value=request.item)
        if request.location not in self.places:
            raise FieldInvalid(field="location", rule="must be a place of the count", value=request.location)
        _tracked(item, "lot", request.lot, self.lots, item.tracking.by_lot)
        _tracked(item, "serial", request.serial, self.serials, item.tracking.by_serial)
        if request.serial and self.serials[request.serial].lot != request.lot:
            raise FieldInvalid(field="lot", rule="must be that of the serial", value=request.lot)
        around = self.units.get(request.handling_unit)
        if request.handling_unit and (around is None or around.place != request.location):
            rule = "must be a handling unit that stands there"
            raise FieldInvalid(field="handling_unit", rule=rule, value=request.handling_unit)
        return CountLine(
            name="", count=document.name, balance=key, found=True, status=_status(request),
            unit_code=item.base_unit_code, count_class=count_class,
            second_unit_code=item.catch.unit_code if item.catch is not None else "", book_shown=document.book_shown,
            site=self.work.site, **{name: getattr(request, name) for name in KEY},
        )  # fmt: skip


async def _keys(unit: Unit, site: str, entries: Sequence[Any]) -> dict[int, tuple[str, str]]:
    """(balance, class) of what entries name without a line."""
    if not entries:
        return {}
    rows = [
        {"n": entry.index, "status": _status(entry.request), **{name: getattr(entry.request, name) for name in KEY}}
        for entry in entries
    ]
    found = await unit.execute(_KEYS, {"site": site, "rows": json_text(rows)})
    return {row.n: (row.balance, row.count_class) for row in found}


def _status(request: Any) -> Status:
    return Status(enum_name(request, "status")) if request.status else Status.UNRESTRICTED


def _tracked(item: Item, name: str, given: str, known: dict[str, Any], tracked: bool) -> None:
    if bool(given) != tracked:
        rule = f"is required: the item is tracked by {name}" if tracked else "must be empty"
        raise FieldInvalid(field=name, rule=rule, value=given)
    if given and (given not in known or known[given].item != item.name):
        raise FieldInvalid(field=name, rule=f"must be a {name} of the item", value=given)


def _counted(item: Item, request: Any, line: CountLine) -> tuple[Decimal, Decimal | None]:
    """What was there in the base unit, and the second quantity of catch weight."""
    if not request.HasField("counted"):
        raise FieldInvalid(field="counted", rule="is required unless it is skipped; 0 is a count")
    counted, _ = item.stated(request.counted, "counted")
    if counted < 0:
        raise FieldInvalid(field="counted.value", rule="must not be negative", value=request.counted.value)
    if line.serial and counted > 1:
        raise FieldInvalid(field="counted.value", rule="must be 0 or 1: a serial is one unit", value=counted)
    catch = item.catch
    if catch is None:
        if request.HasField("second_counted"):
            raise FieldInvalid(field="second_counted", rule="must be empty: the item has no catch weight")
        return counted, None
    if not request.HasField("second_counted") or request.second_counted.unit_code != catch.unit_code:
        raise FieldInvalid(field="second_counted", rule=f"is required in {catch.unit_code}")
    second = decimal_of(request.second_counted.value, "second_counted.value")
    if second < 0 or second % catch.step or (second == 0) != (counted == 0):
        rule = f"must be on the grid of {catch.step}, and 0 where nothing was counted"
        raise FieldInvalid(field="second_counted.value", rule=rule, value=second)
    return counted, second


def shown(line: CountLine) -> counts_pb2.CountLine:
    """A line as who has still to count it may see it (MAT-149)."""
    message = fill(counts_pb2.CountLine(), line)
    if line.hidden:
        for name in HIDDEN:
            message.ClearField(name)  # type: ignore[arg-type]
    return message


def refuse(batch: Batch[Any], check: Any) -> list[_Given]:
    """Entries that a check lets through; the others are refused with its fault."""
    good = []
    for entry in batch.open:
        try:
            given = check(entry)
            if given is not None:
                good.append(given)
        except Fault as fault:
            entry.refuse(fault)
    return good
