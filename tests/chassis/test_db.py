"""The pool of a service's connections: what each knows, whether it still stands, and how often it prepares."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from cli import databases
from cli.engines import Engines
from services.chassis import db, query
from services.chassis.serve import Process
from tests.chassis.sample.service import Box
from tests.plant import superuser
from tests.statements import statements_of


@pytest.fixture
async def pool(process: Process, sample_urls: databases.DatabaseUrls) -> AsyncIterator[AsyncEngine]:
    found = db.engine(sample_urls.app, pool_size=2, application="pool")
    yield found
    await found.dispose()


async def test_types_of_arrays_are_known_before_the_first_unit(
    pool: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    real = asyncpg.connection.Connection._introspect_types

    async def noted(connection: Any, types: Any, timeout: Any) -> Any:
        asked.append(connection)
        return await real(connection, types, timeout)

    monkeypatch.setattr(asyncpg.connection.Connection, "_introspect_types", noted)
    async with pool.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert asked.count(driver) == 1
        for kind in db._ARRAYS_OF:
            await connection.execute(text(f"select cast(:values as {kind}[])"), {"values": None})
        assert asked.count(driver) == 1


async def test_a_connection_that_fell_is_replaced_before_a_unit_has_it(
    pool: AsyncEngine, bootstrapped: Engines
) -> None:
    pids = set()
    for _ in range(2):
        async with pool.connect() as connection:
            pids.add(await connection.scalar(text("select pg_backend_pid()")))
        with superuser(bootstrapped, "sample") as look:
            for pid in pids:
                look.execute("select pg_terminate_backend(%s, 5000)", [pid])
    assert len(pids) == 2


async def test_rows_of_any_number_of_names_are_one_statement(process: Process) -> None:
    with statements_of(process.engine) as found:
        for size in (1, 2, 7):
            async with process.sessions() as session:
                await rows(session, [f"sites/hamburg/boxes/b{number}" for number in range(size)])
    texts = {statement for transaction in found.done for statement in transaction if "FROM box" in statement}
    assert len(texts) == 1


async def rows(session: AsyncSession, names: list[str]) -> list[Box]:
    return list((await session.execute(select(Box).where(query.among(Box.name, names)))).scalars())
