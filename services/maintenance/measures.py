"""Measures from the recorded history, read only (section 7)."""

from datetime import date
from decimal import Decimal
from typing import Any

from plantops.maintenance.v1.measures_pb2 import MaintenanceMeasure
from sqlalchemy import text

from services.chassis.faults import FieldInvalid, ResourceNotFound
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.maintenance.model.asset import Asset
from services.maintenance.model.site import Site
from services.maintenance.rules import measures as rule
from services.maintenance.rules.usage import elapsed_hours

_ORDERS = text("""
    select count(*) filter (where fate = 'COUNTS') as failures,
           coalesce(sum(down_hours) filter (where fate = 'COUNTS'), 0) as down_hours,
           count(*) filter (where fate = 'COUNTS' and down_hours is null) as without_hours,
           count(*) filter (where fate = 'IMPORTED') as imported,
           count(*) filter (where fate = 'PLANNED') as planned,
           count(*) filter (where fate = 'UNDECIDED') as undecided,
           count(*) filter (where fate = 'UNDATED') as undated
    from (
        select w.down_hours,
               case when w.kind <> 'CORRECTIVE' then 'PLANNED'
                    when w.actual_finish_time is null then 'UNDATED'
                    when w.origin = 'IMPORTED' then 'IMPORTED'
                    when w.outcome in ('DONE', 'PARTLY_DONE') and w.failure_mode <> '' then 'COUNTS'
                    else 'UNDECIDED' end as fate
        from work_order w
        where w.site = :site and (:asset = '' or w.asset = :asset) and w.state in ('COMPLETED', 'CLOSED')
          and (w.actual_finish_time is null or w.actual_finish_time >= :start and w.actual_finish_time < :end)
    ) as o
""")
_ASSETS = text("""
    select count(*) from asset
    where site = :site and (:asset = '' or name = :asset) and state <> 'DECOMMISSIONED'
""")
_COMPLIANCE = text("""
    select count(*) filter (where fate = 'DUE') as due,
           count(*) filter (where fate = 'DUE' and o.state = 'SATISFIED'
                            and (o.satisfy_time at time zone :zone)::date <= o.required_date) as in_time,
           count(*) filter (where fate = 'SUPPRESSED') as suppressed,
           count(*) filter (where fate = 'SUPERSEDED') as superseded,
           count(*) filter (where fate = 'AHEAD') as ahead
    from (
        select o.*, case when o.state in ('SUPPRESSED', 'SUPERSEDED') then o.state
                         when o.required_date > :today and o.state <> 'SATISFIED' then 'AHEAD'
                         else 'DUE' end as fate
        from occurrence o
        where o.site = :site and (:asset = '' or o.asset = :asset)
          and o.required_date >= :first and o.required_date < :last
    ) as o
""")


async def compute(unit: Unit, request: Any, first: date, last: date) -> MaintenanceMeasure:
    """One measure over [first, last) in the site's days; every record of the window counts or is excluded once."""
    if last <= first:
        raise FieldInvalid(field="end_date", rule="must be later than start_date", value=last)
    site = await unit.get(Site, request.parent)
    if request.asset:
        asset = await unit.find(Asset, request.asset)
        if asset is None or asset.site != site.id:
            raise ResourceNotFound(resource=request.asset)
    where = {"site": site.id, "asset": request.asset}
    if request.measure == "pm_compliance":
        days = {"first": first, "last": last, "today": site.today(unit.now)}
        return await _compliance(unit, where | days | {"zone": site.time_zone})
    start, end = site.midnight(first), min(site.midnight(last), unit.now)
    row = (await unit.execute(_ORDERS, where | {"start": start, "end": end})).one()
    exclusions = [
        ("imported: not decided whether a failure (MNT-346), and days without hours (MNT-343)", row.imported),
        ("not corrective: planned work is no failure", row.planned),
        ("corrective without failure mode, or nothing done", row.undecided),
        ("without a date", row.undated),
    ]
    if request.measure == "mtbf":
        assets = (await unit.execute(_ASSETS, where)).scalar_one()
        hours = max(Decimal(0), elapsed_hours(start, end)) * assets
        found = rule.mtbf(hours, row.down_hours, row.failures)
        return _message("mtbf", "MNT-282/1", "HUR", found, row.failures, exclusions)
    counted = row.failures - row.without_hours
    exclusions.append(("corrective without recorded down time", row.without_hours))
    return _message("mttr", "MNT-284/1", "HUR", rule.mttr(row.down_hours, counted), counted, exclusions)


async def _compliance(unit: Unit, where: dict[str, Any]) -> MaintenanceMeasure:
    row = (await unit.execute(_COMPLIANCE, where)).one()
    exclusions = [
        ("suppressed: a bigger job does it", row.suppressed),
        ("superseded by a new series", row.superseded),
        ("required later than today and still open", row.ahead),
    ]
    found = rule.pm_compliance(row.in_time, row.due)
    return _message("pm_compliance", "MNT-287a/1", "P1", found, row.due, exclusions)


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
    message.denominator.value = canonical(found.denominator.quantize(rule.SHOWN))
    for reason, number in exclusions:
        if number:
            message.exclusions.add(reason=reason, record_count=number)
    return message
