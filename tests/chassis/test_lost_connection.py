"""A connection that the driver lost in mid-protocol counts as lost, a value that it cannot send does not."""

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cli import databases
from services.chassis import db
from services.chassis.inbox import transient


@pytest.mark.rule("REL-52")
async def test_errors_of_the_driver_without_sqlstate_are_told_apart(sample_urls: databases.DatabaseUrls) -> None:
    assert transient(asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"))
    assert db.sqlstate(asyncpg.InterfaceError("connection is closed")) == "08006"
    engine = db.engine(sample_urls.app, pool_size=2, application="lost")
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError) as wrong:
            await connection.execute(text("select cast(:value as int)"), {"value": "no number"})
    assert not transient(wrong.value)
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        driver.terminate()
        with pytest.raises(DBAPIError) as lost:
            await connection.execute(text("select 1"))
    assert transient(lost.value)
    await engine.dispose()
