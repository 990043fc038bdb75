"""Rows of an import's file become closed work orders of the past, each once (MNT-340 .. MNT-346)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import delete, insert, or_, select

from services.chassis import audit, uploads
from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.maintenance.model import work_order as orders
from services.maintenance.model.asset import Asset
from services.maintenance.model.demand import CostLine
from services.maintenance.model.history import Import, ImportError_, Part
from services.maintenance.model.site import Site
from services.maintenance.model.work_order import WorkOrder
from services.maintenance.rules import csv_rows

ASSUMED_KIND = orders.Kind.CORRECTIVE
"""Kind of a row whose file does not say it."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """What becomes of rows: new ones by order name, known ones, refused ones; `assets` by the text of the file."""

    new: Mapping[str, csv_rows.Row]
    known: Sequence[csv_rows.Row]
    faults: Sequence[csv_rows.Fault]
    assets: Mapping[str, str]


async def rows(unit: Unit, found: Import) -> list[csv_rows.Row | csv_rows.Fault]:
    """All rows of the file; FieldInvalid where it cannot be read at all."""
    mapping = found.mapping()
    try:
        header, records = uploads.records(
            await uploads.content(unit, Part, found.name), mapping.delimiter, mapping.encoding
        )
        return list(csv_rows.read(header, records, mapping))
    except (uploads.FileUnreadable, csv_rows.ColumnsMissing) as error:
        raise FieldInvalid(field="content", rule=str(error)) from None


async def sort(unit: Unit, found: Import, part: Sequence[csv_rows.Row | csv_rows.Fault]) -> Sorted:
    """Say of each row whether it is new, known or refused; in a constant number of statements."""
    good = [row for row in part if isinstance(row, csv_rows.Row)]
    faults = [row for row in part if isinstance(row, csv_rows.Fault)]
    assets = await _assets(unit, found, {row.values["asset"] for row in good})
    accepted: dict[str, csv_rows.Row] = {}
    columns = found.mapping().columns
    for row in good:
        kind = row.values.get("kind", ASSUMED_KIND)
        if row.values["asset"] not in assets:
            text = f"{row.values['asset']!r} is no asset of sites/{found.site}"
            faults.append(csv_rows.Fault(row.row, columns["asset"].name, "ASSET_UNKNOWN", text))
        elif kind not in set(orders.Kind):
            text = f"{kind!r} is none of {', '.join(orders.Kind)}"
            faults.append(csv_rows.Fault(row.row, columns["kind"].name, "VALUE_UNMAPPED", text))
        else:
            accepted[f"sites/{found.site}/{WorkOrder.COLLECTION}/h{row.key}"] = row
    names = select(WorkOrder.name).where(WorkOrder.name.in_(list(accepted)))  # type: ignore[call-overload, attr-defined]
    there = set(await unit.all(names))
    return Sorted(
        {name: row for name, row in accepted.items() if name not in there},
        [row for name, row in accepted.items() if name in there],
        sorted(faults, key=lambda fault: fault.row),
        assets,
    )


async def _assets(unit: Unit, found: Import, texts: set[str]) -> dict[str, str]:
    """Text of the file -> asset: by number, by id in small letters, or by full name."""
    home = f"sites/{found.site}/{Asset.COLLECTION}/"
    named = {text: text if text.startswith(home) else home + text.lower() for text in texts}
    known = await unit.execute(
        select(Asset.name, Asset.number).where(  # type: ignore[call-overload]
            Asset.site == found.site,
            or_(Asset.number.in_(texts), Asset.name.in_(named.values())),  # type: ignore[attr-defined]
        )
    )
    pairs = [(row.name, row.number) for row in known]
    names = {name for name, _ in pairs}
    return {text: name for text, name in named.items() if name in names} | {
        number: name for name, number in pairs if number in texts
    }


async def take(unit: Unit, found: Import, part: Sorted) -> None:
    """Make a closed order of each new row: nothing is triggered, reserved or told (MNT-345).

    Set-based: one statement for the orders and one for their cost, each order audited.
    """
    site = await unit.get(Site, f"sites/{found.site}", lock=False)
    made = [_order(name, row, part.assets[row.values["asset"]], site, found) for name, row in part.new.items()]
    for order in made:
        order.site, order.create_time, order.update_time = found.site, unit.now, unit.now
        before, after = audit.changes(order)
        unit.audit(order.name, "", before, after, order.version)
    lines = [line for order in made for line in order.cost_lines]
    for kind, new in ((WorkOrder, made), (CostLine, lines)):
        if new:
            await unit.execute(insert(_table(kind)), [_values(row) for row in new])


def _order(name: str, row: csv_rows.Row, asset: str, site: Site, found: Import) -> WorkOrder:
    order = WorkOrder(
        name=name,
        number=f"H-{row.key[:16].upper()}",
        asset=asset,
        kind=orders.Kind(row.values.get("kind", ASSUMED_KIND)),
        origin=orders.Origin.IMPORTED,
        title=row.values["title"],
        text=row.values.get("text", ""),
        state=orders.State.CLOSED,
        actual_start_time=_midnight(row.start or row.finish, site),
        actual_finish_time=_midnight(row.finish or row.start, site),
        currency_code=found.currency_code,
        external_id=row.values.get("external_id", ""),
        reporter=found.name,
    )
    day = row.finish or row.start
    if row.cost is not None and day is not None:
        order.book(orders.CostKind.IMPORTED, row.cost, found.name, day)
    return order


def _midnight(day: date | None, site: Site) -> datetime | None:
    """A day without time counts from its first instant in the site's zone (MNT-343)."""
    return datetime.combine(day, time(), tzinfo=site.zone) if day is not None else None


async def forget_errors(unit: Unit, found: Import) -> None:
    """Leave out what an earlier try refused."""
    await unit.execute(delete(ImportError_).where(ImportError_.import_ == found.name))  # type: ignore[arg-type]


async def note_errors(unit: Unit, found: Import, faults: Sequence[csv_rows.Fault]) -> None:
    """Store refused rows with line, column, code and reason, in one statement."""
    if faults:
        await unit.execute(
            insert(_table(ImportError_)),
            [
                {
                    "import": found.name,
                    "row": fault.row,
                    "column_name": fault.column,
                    "code": fault.code,
                    "text": fault.text,
                }
                for fault in faults
            ],
        )


def _table(kind: Any) -> Any:
    return kind.__table__


def _values(row: Any) -> dict[str, Any]:
    return {column.name: getattr(row, column.key) for column in _table(type(row)).columns}
