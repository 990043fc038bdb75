"""The span of an event names the person who caused it."""

from services.chassis import conventions
from tests.planted.planting import replace

RULE = "OPS-42"


def plant() -> None:
    original = conventions.processing

    def telling(stream: str, consumer: str, event_id: str, event_type: str) -> conventions.Attributes:
        return {**original(stream, consumer, event_id, event_type), "enduser.id": "people/root"}

    replace(conventions, "processing", telling)
