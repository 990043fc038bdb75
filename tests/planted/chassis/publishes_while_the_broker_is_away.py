"""The relay does not look whether the broker is there."""

from typing import Any

from services.chassis.relay import Relay
from tests.planted.planting import replace

RULE = "REL-11"


def plant() -> None:
    original = vars(Relay)["round"]

    class Optimist:
        is_connected = True

        def __init__(self, client: Any) -> None:
            self._client = client

        def __getattr__(self, name: str) -> Any:
            return getattr(self._client, name)

    async def blind(self: Any, connection: Any) -> bool:
        known = self.client
        self.client = lambda: Optimist(known())
        try:
            return bool(await original(self, connection))
        finally:
            self.client = known

    replace(Relay, "round", blind)
