"""After a clash the statement is tried again and not the unit of work."""

from typing import Any

from sqlalchemy.exc import DBAPIError

from services.chassis.command import Commands
from services.chassis.db import CLASHES, sqlstate
from services.chassis.unit import Unit
from tests.planted.planting import replace

RULE = "REL-50"


def plant() -> None:
    async def execute(self: Any, statement: Any, parameters: Any = None) -> Any:
        for _ in range(2):
            try:
                async with self.session.begin_nested():
                    return await self.session.execute(statement, parameters)
            except DBAPIError as error:
                if sqlstate(error) not in CLASHES:
                    raise
        return await self.session.execute(statement, parameters)

    async def once(self: Any, ends: Any, attempt: Any, *, safe: bool, request: Any = None) -> Any:
        try:
            return await attempt()
        except DBAPIError as error:
            raise self.given_up(error, sqlstate(error), request) from error

    replace(Unit, "execute", execute)
    replace(Commands, "retried", once)
