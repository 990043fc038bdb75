"""How revisions of replenishment policies would have done on days of the past (MAT-163)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from google.type.decimal_pb2 import Decimal as Number
from plantops.materials.v1 import policies_pb2

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, to_date
from services.materials.api.evaluations import one
from services.materials.model import backtesting
from services.materials.model.item import Item, site_fact
from services.materials.model.policy import Policy, Revision
from services.materials.rules import backtests
from services.materials.rules.backtests import Measures
from services.materials.rules.replenishment import BY_POSITION

LONGEST, TOGETHER = timedelta(days=1100), 50
Answer = policies_pb2.BacktestMaterialsRevisionResponse


async def played(request: Any, unit: Unit) -> AsyncIterator[Answer]:
    """The measures of each item, then of all."""
    candidate = await unit.get(Revision, request.name, lock=False)
    if candidate.kind not in BY_POSITION:
        rule = "must be of kind REORDER_POINT, MIN_MAX or PERIODIC"
        raise FieldInvalid(field="name", rule=rule, value=candidate.kind)
    policy = await unit.get(Policy, candidate.policy, lock=False)
    site = one(policy.site or "", request.site, "site")
    fact = await site_fact(unit, site, field="site")
    first, end = to_date(request.start_date), to_date(request.end_date)
    if first is None or end is None or not first < end <= min(fact.day(unit.now), first + LONGEST):
        raise FieldInvalid(field="end_date", rule="is behind start_date, at most today and 1100 days after it")
    names = sorted({one(policy.item or "", name, "items") for name in request.items or [""]})
    active = await unit.find(Revision, policy.active_revision, lock=False) if policy.active_revision else None
    known = await unit.get_many(Item, names, lock=False)
    for name in names:
        if name not in known:
            raise FieldInvalid(field="items", rule="must be items", value=name)
    days = (end - first).days
    sums: dict[str, Measures] = {}
    for start in range(0, len(names), TOGETHER):
        for history in await backtesting.histories(unit, fact, names[start : start + TOGETHER], first, end):
            answer = Answer(item=history.item, day_count=days)
            for field, revision in (("candidate", candidate), ("active", active)):
                if revision is None or revision.kind not in BY_POSITION:
                    continue
                found = backtests.run(revision.parameters(known[history.item]), history, revision.review_days)
                sums[field] = sums.get(field, Measures()) + found
                _fill(getattr(answer, field), revision, found)
            yield answer
    total = Answer(day_count=days)
    _fill(total.candidate, candidate, sums["candidate"])
    if active is not None and "active" in sums:
        _fill(total.active, active, sums["active"])
    yield total


def _fill(message: Answer.Measures, revision: Revision, found: Measures) -> None:
    message.revision = revision.name
    message.stock_out_days, message.need_count = found.stock_out_days, found.asked
    for name in ("needed", "covered", "fill_rate", "mean_quantity", "mean_value", "needs_per_month"):
        value = getattr(found, name)
        if value is not None:
            getattr(message, name).CopyFrom(Number(value=canonical(value)))
