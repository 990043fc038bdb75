"""What tests of one unit of work do with the sample service's boxes."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import psycopg
from google.protobuf.descriptor import MethodDescriptor
from sqlalchemy import text

from services.chassis.unit import Unit
from services.chassis.wire import decimal_of
from tests.chassis.sample.protos import pb
from tests.chassis.sample.service import Box
from tests.plant import Client

Body = Callable[[Any, Unit], Awaitable[Any]]


def method(name: str) -> MethodDescriptor:
    found: MethodDescriptor = pb.DESCRIPTOR.services_by_name["BoxService"].methods_by_name[name]
    return found


async def box(ana: Client, capacity: str = "100") -> str:
    made = await ana(
        pb.CreateBoxRequest(
            parent="sites/hamburg", box=pb.Box(title="x", capacity={"value": capacity, "unit_code": "H87"})
        )
    )
    return str(made.name)


def fill(name: str, key: str = "") -> Any:
    return pb.FillBoxRequest(name=name, quantity={"value": "1", "unit_code": "H87"}, request_id=key or str(uuid4()))


async def filled(request: Any, unit: Unit) -> Box:
    found = await unit.get(Box, request.name)
    unit.emit(found.fill(decimal_of(request.quantity.value)))
    await unit.flush()
    return found


async def state_of(unit: Unit, sqlstate: str) -> None:
    """Make the database refuse with a SQLSTATE."""
    await unit.execute(text("select set_config('app.state', :state, true)"), {"state": sqlstate})
    await unit.execute(text("do $$ begin raise exception 'x' using errcode = current_setting('app.state'); end $$"))


def events(look: psycopg.Connection[Any], name: str) -> tuple[int, int, int]:
    """(outbox rows, audit records of changes, level) of a box."""
    row = look.execute(
        "select (select count(*) from outbox where aggregate_id = %(name)s),"
        " (select count(*) from audit where object = %(name)s and before is not null),"
        " (select level::int from box where name = %(name)s)",
        {"name": name},
    ).fetchone()
    assert row is not None
    return row
