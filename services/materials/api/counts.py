"""Counts: planning, starting, recording, accepting and posting what is there (MAT-145 .. MAT-152)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from plantops.materials.v1 import counts_pb2
from sqlalchemy import select

from services.chassis.faults import FieldInvalid, TransitionNotAllowed
from services.chassis.unit import Unit
from services.chassis.wire import fill, to_date, values_for
from services.materials.api import count_postings
from services.materials.api.count_entries import Recording, refuse, shown
from services.materials.model import count_lines, count_locks, count_planning, ledger
from services.materials.model import location as locations
from services.materials.model.count import (
    ENDED,
    CountDocument,
    CountLine,
    CountUndecided,
    LineState,
    Mode,
    State,
)
from services.materials.model.count_policy import count_rules
from services.materials.model.item import Item, site_fact
from services.materials.model.location import VIRTUAL
from services.materials.rules.count_planning import Place

REQUESTED = "REQUESTED"


class CountService:
    """Counting of stock, also while it moves."""

    async def get_count(self, request: Any, unit: Unit) -> Any:
        return await unit.get(CountDocument, request.name)

    async def list_counts(self, request: Any, unit: Unit) -> Any:
        return await unit.list(CountDocument, request)

    async def get_count_line(self, request: Any, unit: Unit) -> Any:
        return shown(await unit.get(CountLine, request.name))

    async def list_count_lines(self, request: Any, unit: Unit) -> Any:
        page = await unit.list(CountLine, request, parent_column=CountLine.count)
        answer = counts_pb2.ListCountLinesResponse(next_page_token=page.next_page_token)
        answer.count_lines.extend(shown(line) for line in page.rows)
        return answer

    async def create_count(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        values = values_for(CountDocument, request.count)
        if not request.count.mode:
            values["mode"] = (await count_rules(unit, site)).mode
        values["places"] = [{"location": row.location, "reason": REQUESTED} for row in request.count.places]
        document = CountDocument(name=unit.new_name(request.parent, CountDocument.COLLECTION), **values)
        known = await locations.named(unit, document.locations)
        for index, name in enumerate(document.locations):
            place = known.get(name)
            if place is None or place.site != site or place.virtual:
                rule = "must be a place of the site"
                raise FieldInvalid(field=f"count.places[{index}].location", rule=rule, value=name)
        items = await unit.get_many(Item, document.items, lock=False)
        if missing := sorted(set(document.items) - set(items)):
            raise FieldInvalid(field="count.items", rule="must be items", value=missing)
        return unit.add(document)

    async def plan_counts(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        today = (await site_fact(unit, site)).day(unit.now)
        first = to_date(request.from_date) if request.HasField("from_date") else today
        if first is None or not today <= first <= today + timedelta(days=366):
            raise FieldInvalid(field="from_date", rule="must not be in the past, nor more than a year ahead")
        policy = await count_rules(unit, site)
        days, left = await count_planning.plan(unit, site, policy, today, first, request.day_count or 1)
        answer = counts_pb2.PlanCountsResponse(left_location_count=left)
        made = [_planned(unit, request.parent, policy.mode, day, places) for day, places in sorted(days.items())]
        await unit.flush()
        answer.counts.extend(fill(counts_pb2.Count(), document) for document in made)
        return answer

    async def start_count(self, request: Any, unit: Unit) -> Any:
        site = request.name.split("/")[1]
        seen = await unit.get(CountDocument, request.name, lock=False)
        if seen.mode is Mode.LOCKED:
            await locations.still(unit, site)
        places = await count_lines.leaves(unit, site, seen.locations, VIRTUAL)
        items = await count_lines.items_at(unit, site, places, seen.items)
        await ledger.hold(unit, site, items)
        document = await unit.get(CountDocument, request.name, etag=request.etag)
        document.start(unit.caller.name, unit.now)
        document.parameters = (await count_rules(unit, site)).parameters
        await count_locks.set_for(unit, document, places)
        document.line_count = await count_lines.open_lines(unit, document, places, items)
        return document

    async def batch_record_counts(self, request: Any, unit: Unit) -> Any:
        batch = await unit.batch(request.requests)
        recording = await Recording.of(unit, request.parent, batch)
        if recording.work.under_way(batch):
            await recording.judge(refuse(batch, recording.take))
            await count_locks.take_away(unit, recording.work.document)
        return batch.response(counts_pb2.BatchRecordCountsResponse)

    async def request_recount(self, request: Any, unit: Unit) -> Any:
        name = request.name.rpartition(f"/{CountLine.COLLECTION}/")[0]
        (await unit.get(CountDocument, name)).started()
        line = await unit.get(CountLine, request.name, etag=request.etag)
        line.recount(request.reason)
        await count_lines.write(unit, [line])
        return shown(line)

    async def batch_approve_counts(self, request: Any, unit: Unit) -> Any:
        batch = await unit.batch(request.requests)
        await count_postings.approve(unit, request, batch)
        return batch.response(counts_pb2.BatchApproveCountsResponse)

    async def batch_post_counts(self, request: Any, unit: Unit) -> Any:
        batch = await unit.batch(request.requests)
        await count_postings.post(unit, request, batch)
        return batch.response(counts_pb2.BatchPostCountsResponse)

    async def complete_count(self, request: Any, unit: Unit) -> Any:
        document = await _hold(unit, request)
        lines = await unit.all(
            select(CountLine)
            .where(CountLine.count == document.name, CountLine.state.not_in(ENDED))  # type: ignore[arg-type, attr-defined]
            .order_by(CountLine.name)
            .with_for_update()
        )
        for line in lines:
            if line.state is not LineState.OPEN:
                raise CountUndecided(count_line=line.name, state=line.state)
            line.skip("not counted when the count ended")
        document.complete(unit.now)
        await count_lines.write(unit, lines)
        await count_locks.take_away(unit, document, all_of_them=True)
        return document

    async def cancel_count(self, request: Any, unit: Unit) -> Any:
        document = await _hold(unit, request)
        document.move(State.CANCELLED)
        document.complete_time = unit.now
        await count_locks.take_away(unit, document, all_of_them=True)
        return document


async def _hold(unit: Unit, request: Any) -> CountDocument:
    """A count whose locks may go away: the items at its places are held first, who waits for them is served then."""
    site = request.name.split("/")[1]
    seen = await unit.get(CountDocument, request.name, lock=False)
    if seen.mode is Mode.LOCKED:
        places = await count_lines.leaves(unit, site, seen.locations, VIRTUAL)
        await ledger.hold(unit, site, await count_lines.items_at(unit, site, places, []))
    document = await unit.get(CountDocument, request.name, etag=request.etag)
    if document.state not in (State.PLANNED, State.STARTED):
        raise TransitionNotAllowed(
            resource=document.name, state=document.state, allowed=document.following, wanted="its end"
        )
    return document


def _planned(unit: Unit, parent: str, mode: Mode, day: Any, places: Sequence[Place]) -> CountDocument:
    return unit.add(
        CountDocument(
            name=unit.new_name(parent, CountDocument.COLLECTION), title=f"count of {day}", mode=mode, due_date=day,
            places=[{"location": place.location, "reason": place.reason} for place in places],
            line_count=sum(place.line_count for place in places),
        )
    )  # fmt: skip
