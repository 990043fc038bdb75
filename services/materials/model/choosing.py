"""Choosing the next task for a person: read without locks, decided by the rule, taken by who is first (MAT-73, 109)."""

from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.orm.exc import StaleDataError

from services.chassis.unit import Unit
from services.materials.model.task import Task
from services.materials.rules import next_task
from services.materials.rules.next_task import Candidate, Worker

MOST = 500
"""Tasks that are looked at: those that fit, of the highest priority and the earliest deadline."""

_FITTING = text("""
    with recursive zone as (
      select l.name from location l where l.name = any(cast(:zones as text[])) and l.site = :site
      union
      select l.name from zone z join location l on l.parent_location = z.name
    )
    select t.name, t.kind, t.priority, t.create_time, t.deadline_time, t.skills, t.equipment,
           coalesce(l.path_order, 0) as path
    from put_away_task t left join location l on l.name = t.from_location
    where t.site = :site and t.state in ('READY', 'LEASED')
      and (t.state = 'READY' or t.lease_expire_time <= now())
      and t.skills <@ cast(:skills as text[]) and t.equipment = any(cast(:equipment as text[]))
      and (cardinality(cast(:kinds as text[])) = 0 or t.kind = any(cast(:kinds as text[])))
      and (cardinality(cast(:zones as text[])) = 0 or t.from_location in (select name from zone))
    order by t.priority, coalesce(t.deadline_time, t.create_time + cast(:usual as interval)), t.name limit :most
""")
# the first in the order of the rule that nobody else is taking at this moment; what it was chosen by is asked again
_FIRST = text("""
    select t.name from unnest(cast(:names as text[])) with ordinality w(name, n)
    join put_away_task t on t.name = w.name
    where t.state = 'READY' or (t.state = 'LEASED' and t.lease_expire_time <= now())
    order by w.n limit 1 for update of t skip locked
""")


async def choose(unit: Unit, site: str, worker: Worker, zones: Iterable[str]) -> Task | None:
    """The task to do next, locked; None when nothing fits."""
    found = (
        await unit.execute(
            _FITTING,
            {
                "site": site, "zones": sorted(set(zones)), "skills": sorted(worker.skills),
                "equipment": ["", *sorted(worker.equipment)], "kinds": sorted(worker.kinds),
                "usual": next_task.USUAL, "most": MOST,
            },
        )
    ).all()  # fmt: skip
    best = next_task.order(
        (
            Candidate(
                row.name, row.kind, row.priority, row.create_time, row.deadline_time, row.path,
                frozenset(row.skills), row.equipment,
            )
            for row in found
        ),
        worker,
    )  # fmt: skip
    name = (await unit.execute(_FIRST, {"names": [task.name for task in best]})).scalar() if best else None
    if name is None:
        if len(found) == MOST:
            raise StaleDataError("others took all that was looked at")
        return None
    return await unit.get(Task, name)
