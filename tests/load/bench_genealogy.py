"""G13: a trace through the service against the bare recursive query, among 900,000 edges."""

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
from plantops.materials.v1 import genealogy_pb2

from tests.load import store
from tests.load.measure import Goal, Report, Side, Turn, compare
from tests.load.stage import Caller, Stage, service_process

TREES, EDGES, FAN = 90, 10_000, 10
GOAL = Goal("G13", "trace of 10,000 edges, bare recursive query", "ms", must=1.5, better="lower")
_BARE = """
    with recursive reach(lot) as (
      select $1::text
      union
      select e.output_lot from reach r join genealogy_edge e on e.input_lot = r.lot
    )
    select e.* from reach r join genealogy_edge e on e.input_lot = r.lot
"""
_COLUMNS = (
    "movement", "input_lot", "output_lot", "item", "quantity", "unit_code", "effective_time", "certain", "operation",
    "handling_unit", "production_order",
)  # fmt: skip


async def run(found: Stage) -> list[Report]:
    """Fill and compare."""
    connection = await asyncpg.connect(found.superuser("materials"))
    await store.build(connection)
    names = await store.items(connection, "part", TREES, tracking="LOT")
    await connection.execute("set session_replication_role = replica")
    for name in names:
        lots = [f"{name}/lots/l1", *(f"{name}/lots/x{number}" for number in range(1, EDGES + 1))]
        rows = [
            (f"sites/{store.SITE}/movements/m{number}", lots[(number - 1) // FAN], lots[number], name, Decimal(1),
             "H87", datetime(2026, 1, 1, tzinfo=UTC), True, 10, "", "")
            for number in range(1, EDGES + 1)
        ]  # fmt: skip
        await connection.copy_records_to_table("genealogy_edge", records=rows, columns=_COLUMNS)
    await connection.execute("set session_replication_role = origin")
    await connection.execute("vacuum analyze")
    roots = [f"{name}/lots/l1" for name in names]
    async with service_process(found, "materials") as (_, caller):
        report = await compare(GOAL, _served(caller, roots), _bare(connection, roots))
    await connection.close()
    return [report]


def _bare(connection: asyncpg.Connection, roots: list[str]) -> Side:
    async def side(number: int) -> Turn:
        began = time.perf_counter()
        rows = await connection.fetch(_BARE, roots[number % TREES])
        return Turn((time.perf_counter() - began) * 1000, sorted(tuple(row) for row in rows))

    return side


def _row(edge: genealogy_pb2.GenealogyEdge) -> tuple[Any, ...]:
    """An edge as the table holds it."""
    return (
        edge.movement, edge.input_lot, edge.output_lot, edge.item, Decimal(edge.quantity.value),
        edge.quantity.unit_code, edge.effective_time.ToDatetime(UTC), edge.certain, edge.operation, edge.handling_unit,
        edge.production_order,
    )  # fmt: skip


def _served(caller: Caller, roots: list[str]) -> Side:
    call = caller.channel.unary_stream(
        "/plantops.materials.v1.GenealogyService/TraceForward",
        request_serializer=genealogy_pb2.TraceForwardRequest.SerializeToString,
        response_deserializer=genealogy_pb2.TraceForwardResponse.FromString,
    )

    async def side(number: int) -> Turn:
        began = time.perf_counter()
        request = genealogy_pb2.TraceForwardRequest(name=roots[number % TREES])
        pages = [page async for page in call(request, metadata=caller.metadata, timeout=60)]
        spent = (time.perf_counter() - began) * 1000
        return Turn(spent, sorted(_row(edge) for page in pages for edge in page.edges))

    return side
