"""What a release begins to follow comes by the consumer that the release before reads by."""

from services.chassis import bus
from tests.planted.planting import replace

RULE = "REL-25"


def plant() -> None:
    def joined(service: str, source: str) -> dict[str, list[str]]:
        events = bus.received().get(service, {}).get(source, [])
        return {bus.consumer_of(service, source): events} if events else {}

    replace(bus, "durables", joined)
