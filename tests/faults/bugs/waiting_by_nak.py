"""An event that comes early is given back instead of put aside, with one delivery under way at a time."""

from typing import Any

from services.chassis import bus
from services.chassis.inbox import Inbox
from tests.planted.planting import replace


def plant() -> None:
    known = bus.wanted_consumers

    async def later(self: Any, unit: Any, envelope: Any, payload: bytes) -> None:
        raise TimeoutError("an earlier event has not come yet")

    def one_at_a_time() -> Any:
        return {key: config | {"max_ack_pending": 1} for key, config in known().items()}

    replace(Inbox, "_keep", later)
    replace(bus, "wanted_consumers", one_at_a_time)
