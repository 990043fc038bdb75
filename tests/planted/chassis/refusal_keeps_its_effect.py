"""What a refused command has written is kept."""

from typing import Any

from services.chassis import command
from tests.planted.planting import replace

RULE = "REL-63"


def plant() -> None:
    original = vars(command.Commands)["_answer"]

    async def kept(self: Any, unit: Any, method: Any, request: Any, body: Any) -> Any:
        async def filled_first(asked: Any, opened: Any) -> Any:
            try:
                return await body(asked, opened)
            except Exception:
                await opened.session.commit()
                raise

        return await original(self, unit, method, request, filled_first)

    replace(command.Commands, "_answer", kept)
