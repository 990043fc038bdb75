"""Measures from the recorded history, read only (section 7)."""

from datetime import date
from decimal import Decimal
from typing import Any

from plantops.maintenance.v1.measures_pb2 import MaintenanceMeasure
from sqlalchemy import text

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.maintenance.model.site import Site
from services.maintenance.rules import measures as rule

_ORDERS = text("""
    select count(*) filter (where counts) as failures,
           coalesce(sum(down_hours) filter (where counts), 0) as down_hours,
           count(*) filter (where counts and down_hours is null) as without_hours,
           count(*) filter (where origin = 'IMPORTED' and kind = 'CORRECTIVE') as unknown_status,
           count(*) filter (where origin = 'IMPORTED' and actual_finish_time is not null) as day_precision,
           count(*) filter (where kind <> 'CORRECTIVE') as planned,
           count(*) filter (where kind = 'CORRECTIVE' and origin <> 'IMPORTED' and not counts) as undecided
    from (
        select w.*, kind = 'CORRECTIVE' and origin <> 'IMPORTED' and outcome in ('DONE', 'PARTLY_DONE')
               and failure_mode <> '' as counts
        from work_order w
        where w.site = :site and (:asset = '' or w.asset = :asset) and w.state in ('COMPLETED', 'CLOSED')
          and w.actual_finish_time >= :start and w.actual_finish_time < :end
    ) as o
""")
_ASSETS = text("""
    select count(*) from asset
    where site = :site and (:asset = '' or name = :asset) and state <> 'DECOMMISSIONED'
""")
_COMPLIANCE = text("""
    select count(*) filter (where o.state <> 'SUPPRESSED') as due,
           count(*) filter (where o.state = 'SATISFIED'
                            and (o.satisfy_time at time zone :zone)::date <= o.required_date) as in_time,
           count(*) filter (where o.state = 'SUPPRESSED') as suppressed
    from occurrence o
    where o.site = :site and (:asset = '' or o.asset = :asset)
      and o.required_date >= :first and o.required_date < :last
""")

INSUFFICIENT = "INSUFFICIENT_DATA"


async def compute(unit: Unit, request: Any, first: date, last: date) -> MaintenanceMeasure:
    """One measure over [first, last) in the site's days."""
    if last <= first:
        raise FieldInvalid(field="end_date", rule="must be later than start_date", value=last)
    site = await unit.get(Site, request.parent)
    where = {"site": site.id, "asset": request.asset}
    if request.measure == "pm_compliance":
        return await _compliance(unit, where | {"first": first, "last": last, "zone": site.time_zone})
    start, end = site.midnight(first), min(site.midnight(last), unit.now)
    row = (await unit.execute(_ORDERS, where | {"start": start, "end": end})).one()
    assets = (await unit.execute(_ASSETS, where)).scalar_one()
    hours = Decimal(max(0, int((end - start).total_seconds()))) / 3600 * assets
    exclusions = [
        ("imported: whether it was a functional failure is not decided (MNT-346)", row.unknown_status),
        ("imported: dates have the precision of a day and give no hours (MNT-343)", row.day_precision),
        ("not corrective: planned work is no failure", row.planned),
        ("corrective without failure mode or outcome", row.undecided),
    ]
    if request.measure == "mtbf":
        return _message(
            "mtbf", "MNT-282/1", "HUR", rule.mtbf(hours, row.down_hours, row.failures), row.failures, exclusions
        )
    counted = row.failures - row.without_hours
    exclusions.append(("corrective without recorded down time", row.without_hours))
    return _message("mttr", "MNT-284/1", "HUR", rule.mttr(row.down_hours, counted), counted, exclusions)


async def _compliance(unit: Unit, where: dict[str, Any]) -> MaintenanceMeasure:
    row = (await unit.execute(_COMPLIANCE, where)).one()
    found = rule.pm_compliance(row.in_time, row.due)
    return _message("pm_compliance", "MNT-287a/1", "P1", found, row.due, [("suppressed", row.suppressed)])


def _message(
    measure: str, definition: str, unit_code: str, found: rule.Value, count: int, exclusions: list[tuple[str, int]]
) -> MaintenanceMeasure:
    message = MaintenanceMeasure(
        measure=measure, definition=definition, unit_code=unit_code, record_count=count,
        status="INSUFFICIENT_DATA" if found.value is None else "VALUE",
    )  # fmt: skip
    if found.value is not None:
        message.value.value = canonical(found.value)
    message.numerator.value = canonical(found.numerator.quantize(rule.SHOWN))
    message.denominator.value = canonical(found.denominator)
    for reason, number in exclusions:
        if number:
            message.exclusions.add(reason=reason, record_count=number)
    return message
