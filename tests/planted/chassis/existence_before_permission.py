"""The permission at a site is not asked for."""

from typing import Any

from services.chassis import access
from tests.planted.planting import replace

RULE = "SEC-15"


def plant() -> None:
    def somewhere(caller: Any, method: Any, request: Any) -> None:
        if not caller.may_somewhere(access.scope_of(method)):
            raise access.denied(access.scope_of(method))

    replace(access, "check", somewhere)
