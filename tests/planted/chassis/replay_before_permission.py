"""Who changes something is not asked for the permission when the request id is known."""

from typing import Any

from services.chassis import access
from services.chassis.requests import changes
from tests.planted.planting import replace

RULE = "REL-64"


def plant() -> None:
    original = access.check

    def lenient(caller: Any, method: Any, request: Any) -> None:
        if not changes(request.DESCRIPTOR):
            original(caller, method, request)

    replace(access, "check", lenient)
