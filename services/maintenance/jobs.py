"""What maintenance does by itself, on time."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select, text

from services.chassis.jobs import job
from services.maintenance.model import generation
from services.maintenance.model.policy import Assignment

BATCH = 50

_DUE = text("""
    select a.name from policy_assignment a
    join maintenance_policy p on p.name = a.policy
    join maintenance_revision r on r.name = p.active_revision
    join asset s on s.name = a.asset and s.state = 'IN_SERVICE'
    join site on site.name = 'sites/' || a.site
    where a.next_date - r.lead_days <= (now() at time zone site.time_zone)::date
       or (a.next_date is not null and exists (
              select 1 from occurrence o where o.assignment = a.name and o.state = 'DUE'))
    order by a.next_date, a.name limit :size
""")


@job(every=timedelta(seconds=10))
async def generate_due(open_unit: Any) -> None:
    """Orders of calendar policies whose day less lead has come, or whose work was not done (MNT-121, MNT-122)."""
    async with open_unit() as unit:
        names = list((await unit.execute(_DUE, {"size": BATCH})).scalars())
    failed: list[Exception] = []
    for name in names:
        try:
            async with open_unit() as unit:
                row = await unit.first(
                    select(Assignment).where(Assignment.name == name).with_for_update(skip_locked=True)  # type: ignore[arg-type]
                )
                if row is not None:
                    generation.tell(unit, await generation.evaluate(unit, row))
        except Exception as error:  # one assignment that fails keeps no other one waiting
            failed.append(error)
    if failed:
        raise failed[0]
