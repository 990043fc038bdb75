"""What tests of counts need: counts of places, entries by key, and what became of them."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from plantops.materials.v1 import counts_pb2

from tests.materials.builders import SITE, at, call, q, reason
from tests.world import Plant

Line = counts_pb2.CountLine
Count = counts_pb2.Count


async def counted_places(plant: Plant, *places: str, mode: str = "FROZEN", start: bool = True, **given: Any) -> Any:
    """A count of places, started unless said otherwise."""
    count = Count(mode=mode, places=[Count.Place(location=at(place)) for place in places], **given)
    made = await plant("sam", counts_pb2.CreateCountRequest(parent=SITE, count=count))
    return await plant("sam", counts_pb2.StartCountRequest(name=made.name)) if start else made


def entry(value: str | int | None, unit_code: str = "H87", **given: Any) -> Any:
    """One entry to record; None is skipped."""
    if value is None:
        return counts_pb2.RecordCountRequest(skipped=True, **given)
    return counts_pb2.RecordCountRequest(counted=q(value, unit_code), **given)


async def record(plant: Plant, count: str, *entries: Any, person: str = "tina") -> list[Any]:
    """Record entries; gives the outcomes."""
    for row in entries:
        row.request_id = row.request_id or str(uuid4())
    answer = await plant(person, counts_pb2.BatchRecordCountsRequest(parent=count, requests=entries))
    return list(answer.outcomes)


async def twice(plant: Plant, count: str, *entries: Any) -> list[Any]:
    """Record by tina, and by sam again what has to be counted again; gives the lines."""
    lines = done(await record(plant, count, *entries))
    again = [(number, line) for number, line in enumerate(lines) if line.state == Line.RECOUNT]
    if again:
        more = []
        for number, line in again:
            row = counts_pb2.RecordCountRequest(line=line.name, counted=entries[number].counted)
            if entries[number].HasField("count_time"):
                row.count_time.CopyFrom(entries[number].count_time)
            if entries[number].HasField("second_counted"):
                row.second_counted.CopyFrom(entries[number].second_counted)
            more.append(row)
        for (number, _), line in zip(again, done(await record(plant, count, *more, person="sam")), strict=True):
            lines[number] = line
    return lines


def done(outcomes: Sequence[Any]) -> list[Any]:
    """The lines of outcomes that all succeeded."""
    assert [reason(outcome) for outcome in outcomes] == [""] * len(outcomes)
    return [outcome.count_line for outcome in outcomes]


async def approve(plant: Plant, count: str, *lines: str, person: str = "ada", **given: Any) -> list[Any]:
    """Accept lines; gives the outcomes."""
    requests = [counts_pb2.ApproveCountRequest(name=line, request_id=str(uuid4()), **given) for line in lines]
    answer = await plant(person, counts_pb2.BatchApproveCountsRequest(parent=count, requests=requests))
    return list(answer.outcomes)


async def post_lines(plant: Plant, count: str, *lines: str, person: str = "sam") -> list[Any]:
    """Post lines; gives the outcomes."""
    requests = [counts_pb2.PostCountRequest(name=line, request_id=str(uuid4())) for line in lines]
    answer = await plant(person, counts_pb2.BatchPostCountsRequest(parent=count, requests=requests))
    return list(answer.outcomes)


async def booked(plant: Plant, count: str, *lines: str) -> list[Any]:
    """Accepted and posted; gives the lines."""
    for line in done(await approve(plant, count, *lines)):
        if line.state == Line.AMBIGUOUS:
            done(await approve(plant, count, line.name))
    return done(await post_lines(plant, count, *lines))


async def lines_of(plant: Plant, count: str, person: str = "vic", **given: Any) -> list[Any]:
    """Lines of a count in order."""
    answer = await call(plant, person, counts_pb2.ListCountLinesRequest(parent=count, page_size=500, **given))
    return list(answer.count_lines)


async def line_now(plant: Plant, name: str) -> Any:
    """A line as it stands."""
    return await plant("vic", counts_pb2.GetCountLineRequest(name=name))
