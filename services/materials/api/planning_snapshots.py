"""What a site is going to make and what that still takes, as of one instant (MAT-130)."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Any

from google.protobuf import json_format
from plantops.materials.v1 import planning_snapshot_pb2 as pb
from sqlalchemy import text

from services.chassis import query
from services.chassis.faults import FailedPrecondition, FieldInvalid
from services.chassis.unit import Unit
from services.materials.model.item import site_fact

PART = 500
"""Structures and orders of one part."""

_SNAPSHOT = text("""
    with known as (select cast(cast(nullif(:snapshot, '') as text) as pg_snapshot) as seen),
    late as (
      select exists (
        select from production_order o left join production_component c on c.production_order = o.name, known k
        where o.site = :site and (written_since(o.xmin, k.seen) or written_since(c.xmin, k.seen))
      ) or exists (
        select from structure_revision r, known k where written_since(r.xmin, k.seen)
      ) as outdated
    )
    select 0 as kind, '' as name, null::jsonb as body, outdated, statement_timestamp() as at,
           pg_current_snapshot()::text as snapshot
    from late
    union all
    select x.kind, x.name, x.body, false, null, ''
    from (
      select 1 as kind, r.name, jsonb_build_object(
        'structureRevision', r.name, 'item', s.item, 'effectiveDate', jsonb_build_object(
          'year', extract(year from r.effective_date), 'month', extract(month from r.effective_date),
          'day', extract(day from r.effective_date)),
        'baseQuantity', jsonb_build_object('value', trim_scale(r.base_quantity)::text, 'unitCode', r.unit_code),
        'components', (
          select coalesce(jsonb_agg(jsonb_build_object(
            'line', c.line, 'item', c.item, 'operation', c.operation, 'numerator', c.numerator::text,
            'denominator', c.denominator::text, 'unitCode', i.base_unit_code, 'manual', c.manual,
            'scrapPercent', jsonb_build_object('value', trim_scale(c.scrap_percent)::text)) order by c.line), '[]')
          from structure_component c join item i on i.name = c.item where c.structure_revision = r.name),
        'outputs', (
          select coalesce(jsonb_agg(jsonb_build_object(
            'line', p.line, 'item', p.item, 'kind', p.kind, 'numerator', p.numerator::text,
            'denominator', p.denominator::text, 'unitCode', i.base_unit_code,
            'costPercent', jsonb_build_object('value', trim_scale(p.cost_percent)::text)) order by p.line), '[]')
          from structure_output p join item i on i.name = p.item where p.structure_revision = r.name)) as body
      from structure s cross join lateral (
        select n.* from structure_revision n where n.structure = s.name and n.effective_date <= :day
        order by n.effective_date desc limit 1) r
      union all
      select 2, o.name, jsonb_strip_nulls(jsonb_build_object(
        'productionOrder', o.name, 'sourceSystem', o.source_system, 'externalId', o.external_id, 'item', o.item,
        'quantity', jsonb_build_object('value', trim_scale(o.quantity)::text, 'unitCode', o.unit_code),
        'open', jsonb_build_object('value', trim_scale(greatest(o.quantity - o.good, 0))::text,
                                   'unitCode', o.unit_code),
        'startTime', to_char(o.start_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'dueTime', to_char(o.due_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'structureRevision', o.structure_revision, 'asset', o.asset,
        'components', (
          select coalesce(jsonb_agg(jsonb_build_object(
            'line', c.line, 'item', c.item, 'operation', c.operation,
            'required', jsonb_build_object('value', trim_scale(c.required)::text, 'unitCode', c.unit_code),
            'consumed', jsonb_build_object('value', trim_scale(c.consumed)::text, 'unitCode', c.unit_code),
            'open', jsonb_build_object('value', trim_scale(greatest(c.required - c.consumed, 0))::text,
                                       'unitCode', c.unit_code),
            'onHand', jsonb_build_object('value', trim_scale(h.there)::text, 'unitCode', c.unit_code))
            order by c.line), '[]')
          from production_component c cross join lateral (
            select coalesce(sum(b.on_hand), 0) as there from balance b
            where b.site = o.site and b.item = c.item and b.project = o.name and not b.virtual) h
          where c.production_order = o.name)))
      from production_order o where o.site = :site and o.state in ('RELEASED', 'STARTED')
    ) x
    where (x.kind, x.name) > (:kind, :name)
    order by 1, 2
""")


class SnapshotOutdated(FailedPrecondition):
    """An order or a structure was changed since the first part, so that the rest would be of another instant."""

    text = "Orders or structures were changed since {time}; begin anew."


class PlanningSnapshotService:
    """For systems that plan."""

    async def stream_planning_snapshot(
        self, request: Any, unit: Unit
    ) -> AsyncIterator[pb.StreamPlanningSnapshotResponse]:  # fmt: skip
        """Parts of one statement, which sees one instant; a token goes on as long as nothing was changed."""
        site = request.parent.split("/")[1]
        fact = await site_fact(unit, site)
        bound = f"{unit.caller.name}\n{unit.context.action}\n{site}"
        seen, kind, name, day, time = "", 0, "", fact.day(unit.now).isoformat(), ""
        if request.resume_token:
            try:
                values = query.open_token(request.resume_token, bound, unit.context.page_token_key, 5)
            except FieldInvalid:
                rule = "must come from a stream of the same caller and site"
                raise FieldInvalid(field="resume_token", rule=rule) from None
            seen, kind, name, day, time = values
        where = {"site": site, "snapshot": seen, "kind": kind, "name": name, "day": date.fromisoformat(day)}
        answer, count = pb.StreamPlanningSnapshotResponse(), 0

        def sealed() -> pb.StreamPlanningSnapshotResponse:
            answer.snapshot_time.FromDatetime(datetime.fromisoformat(time))
            answer.resume_token = query.seal_token([seen, kind, name, day, time], bound, unit.context.page_token_key)
            return answer

        async for row in await unit.session.stream(_SNAPSHOT, where):
            if row.kind == 0:
                if row.outdated:
                    raise SnapshotOutdated(time=time)
                seen, time = seen or row.snapshot, time or row.at.isoformat()
                continue
            if count == PART:
                yield sealed()
                answer, count = pb.StreamPlanningSnapshotResponse(), 0
            json_format.ParseDict(row.body, (answer.structures if row.kind == 1 else answer.orders).add())
            kind, name, count = row.kind, row.name, count + 1
        answer.complete = True
        yield sealed()
