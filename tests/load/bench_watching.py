"""What it costs a command to be counted, and to be traced: CPU of the service with and without, in one process.

The same running service is switched between the sides, so that both have the same caches, connections and rows. Traces
go to a collector that throws them away; its CPU is not in the figures.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from cli.engines import free_port
from cli.processes import Child
from tests.load.bench_command import AT_ONCE, Readings, _prepared, drive, turn
from tests.load.measure import Goal, Report, Side, Turn, compare
from tests.load.stage import Caller, Stage, apply_streams, running, service_child, until

COUNTED = Goal("-", "a command counted, not counted", "CPU us", must=1.03, better="lower")
TENTH = Goal("-", "one in ten traced, none (context)", "CPU us", better="lower")
ALL = Goal("-", "every command traced, none (context)", "CPU us", better="lower")
CALLS = 100


class Nowhere(trace_service_pb2_grpc.TraceServiceServicer):
    """A collector that keeps nothing."""

    async def Export(self, request, context):  # type: ignore[no-untyped-def]
        return trace_service_pb2.ExportTraceServiceResponse()


async def run(found: Stage) -> list[Report]:
    """Compare counted with bare, then traced with counted."""
    await apply_streams(found)
    collector = grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Nowhere(), collector)
    address = f"http://127.0.0.1:{collector.add_insecure_port('127.0.0.1:0')}"
    await collector.start()
    try:
        some = await _at(found, address, 0.1, (COUNTED, "bare", "counted"), (TENTH, "counted", "traced"))
        return [*some, *await _at(found, address, 1.0, (ALL, "counted", "traced"))]
    finally:
        await collector.stop(None)


async def _at(found: Stage, address: str, ratio: float, *pairs: tuple[Goal, str, str]) -> list[Report]:
    """The comparisons of one running service, which keeps this share of the traces."""
    port, mode = free_port(), found.folder / "mode"
    process = service_child(found, "maintenance", port)
    process.command = [sys.executable, "-m", "tests.load.switched", "maintenance", str(mode)]
    more = {"OTLP_ENDPOINT": address, "TRACE_RATIO": str(ratio), "POOL_SIZE": str(AT_ONCE)}
    process.environment = {**process.environment, **{f"PLANTOPS_{key}": value for key, value in more.items()}}
    reports = []
    async with running(process, port, "ready"):
        caller = Caller(port, "plantops.maintenance.v1", found.token())
        try:
            readings = Readings((await _prepared(caller, f"site{ratio * 100:.0f}"))[1])
            await drive(caller, readings.next(CALLS))  # warm
            for goal, one, other in pairs:
                sides = [_side(process, mode, caller, readings, name) for name in (other, one)]
                reports.append(await compare(goal, *sides))
        finally:
            await caller.channel.close()
    return reports


def _tell(process: Child, mode: Path, name: str) -> None:
    mode.with_suffix(".done").unlink(missing_ok=True)
    mode.write_text(name)
    os.kill(process.pid, signal.SIGUSR1)


def _side(process: Child, mode: Path, caller: Caller, readings: Readings, name: str) -> Side:
    async def measured(number: int) -> Turn:
        _tell(process, mode, name)
        await until(mode.with_suffix(".done").exists, 0.005)
        await asyncio.sleep(0.05)
        return await turn(process, caller, readings.next(CALLS))

    return measured
