"""CPU of a service for one whole unary command, against an empty gRPC call by the same client (R3).

The command is whole: sign-in, permission, field rules, request id, unit of work, audit, outbox, log line. Goal G8
speaks of the unary post of materials, which has a path of its own; here nothing is judged, the ratio is context.
The database's CPU is not in it.
"""

import asyncio
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
from plantops.maintenance.v1 import assets_pb2, meters_pb2, sites_pb2

from cli.engines import free_port
from cli.processes import Child
from tests.load import echo
from tests.load.measure import Goal, Report, Side, Turn, compare, cpu_seconds
from tests.load.stage import Caller, Stage, child, running, service_process

CALLS, AT_ONCE = 1000, 16
METERS = 64
"""Readings go round, so that no two in flight wait for one meter."""
READ = Goal("G8", "GetAsset, empty call (context)", "CPU us", better="lower")
WRITE = Goal("G8", "CreateReading, empty call (context)", "CPU us", better="lower")


async def drive(call: Any, requests: list[Any]) -> list[Any]:
    """All requests, AT_ONCE in flight; answers in their order."""
    answers: list[Any] = [None] * len(requests)
    waiting = iter(enumerate(requests))

    async def worker() -> None:
        for number, request in waiting:
            answers[number] = await call(request)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return answers


async def turn(process: Child, call: Any, requests: list[Any]) -> Turn:
    """One side of a round; the result is the number of answers."""
    began, used = time.perf_counter(), cpu_seconds(process.pid)
    answers = await drive(call, requests)
    cpu, seconds = cpu_seconds(process.pid) - used, time.perf_counter() - began
    assert seconds > 0
    each = cpu / len(requests) * 1e6
    return Turn(each, sum(answer is not None for answer in answers), len(requests), each)


async def run(found: Stage) -> list[Report]:
    """Compare a read and a change with the echo."""
    port = free_port()
    server = child(found, "echo", "tests.load.echo", {"PLANTOPS_ECHO_PORT": str(port)})
    async with service_process(found, "maintenance") as (service, caller), running(server, port, "ready"):
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        empty = channel.unary_unary(echo.METHOD)
        asset, meters = await _prepared(caller)
        readings = Readings(meters)

        def read() -> list[Any]:
            return [assets_pb2.GetAssetRequest(name=asset) for _ in range(CALLS)]

        def change() -> list[Any]:
            return readings.next(CALLS // 4)

        async def called(request: bytes) -> bytes:
            answer: bytes = await empty(request, metadata=caller.metadata, timeout=60)
            assert answer == request
            return answer

        def sides(requests: Any) -> tuple[Side, Side]:
            async def whole(number: int) -> Turn:
                return await turn(service, caller, requests())

            async def bare(number: int) -> Turn:
                return await turn(server, called, [one.SerializeToString() for one in requests()])

            return whole, bare

        try:
            await drive(caller, read()[:100])  # warm
            await drive(called, [b"x"] * 100)
            reports = [await compare(READ, *sides(read)), await compare(WRITE, *sides(change))]
        finally:
            await channel.close()
        return reports


class Readings:
    """Requests for the next readings of meters, in turn; each an hour after the one before."""

    def __init__(self, meters: list[str]) -> None:
        self.meters = meters
        self._hour = itertools.count()

    def next(self, count: int) -> list[Any]:
        """So many requests."""
        made = []
        for at in itertools.islice(self._hour, count):
            request = meters_pb2.CreateReadingRequest(
                parent=self.meters[at % len(self.meters)], request_id=str(uuid4())
            )
            request.raw_value.value = str(at)
            request.measure_time.FromDatetime(datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=at))
            made.append(request)
        return made


async def _prepared(caller: Caller, site_id: str = "hamburg") -> tuple[str, list[str]]:
    site = sites_pb2.Site(title="x", time_zone="Europe/Berlin", currency_code="EUR", country_code="DE")
    await caller(sites_pb2.CreateSiteRequest(site_id=site_id, site=site, request_id=str(uuid4())))
    made = await caller(
        assets_pb2.CreateAssetRequest(
            parent=f"sites/{site_id}",
            asset_id="press",
            asset=assets_pb2.Asset(number="P1", title="Press", criticality="B"),
            request_id=str(uuid4()),
        )
    )
    meters = []
    for number in range(METERS):
        meter = meters_pb2.Meter(title="Hours", unit_code="HUR")
        request = meters_pb2.CreateMeterRequest(parent=made.name, meter_id=f"m{number}", meter=meter)
        request.request_id = str(uuid4())
        meters.append((await caller(request)).name)
    return made.name, meters
