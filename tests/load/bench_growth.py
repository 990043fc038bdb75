"""G15: ten times the lines of a document, and posts into a ledger of ten times the movements.

The document is a handling unit that is moved with all that is in it. The ledgers are two databases on one server,
each with a service of its own.
"""

import time
from typing import Any
from uuid import uuid4

import asyncpg
from plantops.materials.v1 import handling_unit_types_pb2, handling_units_pb2

from tests.load import bench_check, store
from tests.load.bench_posting import CALLS_ALONE, posts
from tests.load.documents import pieces
from tests.load.measure import Goal, Report, Side, Turn, compare, percentile
from tests.load.stage import Caller, Stage, service_process
from tests.world import clone

FEW, MANY, MOVES = 20, 200, 6
SMALL, BIG = 20, 200
"""Movements of each item in the ledgers."""
LINES = Goal("G15", "moving a unit of 200 lines, of 20", "ms", must=11, better="lower")
LEDGER = Goal("G15", "p50 of a lone post, ledger 10 times as big", "ms", must=1.2, better="lower")


async def run(found: Stage) -> list[Report]:
    """Both comparisons."""
    other = clone(found.engines, "materials", "materials_big")
    for name, count in (("materials", SMALL), ("materials_big", BIG)):
        connection = await asyncpg.connect(found.superuser(name))
        await store.build(connection)
        await connection.execute("insert into ledger_head values ($1, 1000000000000)", store.SITE)
        await store.items(connection, "part", bench_check.ITEMS, stocked=False)
        await bench_check.fill(connection, 0, count)
        await connection.close()
    elsewhere = {"DATABASE_URL": other.app, "RELAY_URL": other.relay}
    prefix = {"COMPANY_PREFIX": "0614141"}
    async with (
        service_process(found, "materials", **prefix) as (_, small),
        service_process(found, "materials", "materials-big", **elsewhere) as (_, big),
    ):
        few, many = await _filled(small, 1, FEW), await _filled(small, 1 + FEW, MANY)
        lines = await compare(LINES, _moving(small, many), _moving(small, few))
        ledger = await compare(LEDGER, _alone(big), _alone(small))
    return [lines, ledger]


def _alone(caller: Caller) -> Side:
    """Lone posts of one item after the other."""
    items = [f"items/part-{number}" for number in range(500, 700)]

    async def side(number: int) -> Turn:
        done = await posts(caller, items, 1, 600, CALLS_ALONE)
        return Turn(done.at(50), done.count, done.count)

    return side


def _moving(caller: Caller, unit: str) -> Side:
    """A unit goes to and fro."""

    async def side(number: int) -> Turn:
        times = []
        for turn in range(MOVES):
            place = store.BIN if turn % 2 == 0 else store.SHELF
            request = handling_units_pb2.MoveHandlingUnitRequest(name=unit, location=place, request_id=str(uuid4()))
            began = time.perf_counter()
            await caller(request)
            times.append((time.perf_counter() - began) * 1000)
        return Turn(percentile(times, 50), MOVES, MOVES)

    return side


async def _filled(caller: Caller, first: int, count: int) -> str:
    """A handling unit on the shelf with one piece of so many items; gives its name."""
    kind: Any = handling_unit_types_pb2.HandlingUnitType(title="pallet")
    kind = await caller(
        handling_unit_types_pb2.CreateHandlingUnitTypeRequest(handling_unit_type=kind, request_id=str(uuid4()))
    )
    unit = handling_units_pb2.HandlingUnit(handling_unit_type=kind.name, location=store.SHELF)
    entry = handling_units_pb2.CreateHandlingUnitRequest(
        parent=f"sites/{store.SITE}", handling_unit=unit, request_id=str(uuid4())
    )
    made = await caller(
        handling_units_pb2.BatchCreateHandlingUnitsRequest(parent=f"sites/{store.SITE}", requests=[entry])
    )
    name: str = made.outcomes[0].handling_unit.name
    contents = [
        handling_units_pb2.HandlingUnitContent(item=f"items/part-{number}", quantity=pieces(1))
        for number in range(first, first + count)
    ]
    await caller(handling_units_pb2.PackHandlingUnitRequest(name=name, contents=contents, request_id=str(uuid4())))
    return name
