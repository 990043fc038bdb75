"""A replay goes on behind an event that the broker did not acknowledge."""

from services.chassis import replay
from tests.planted.planting import replace

RULE = "REL-90"


def plant() -> None:
    original = replay.work

    async def careless(connection, publisher, nc, stored):  # type: ignore[no-untyped-def]
        known = publisher.publish

        async def publish(client, rows):  # type: ignore[no-untyped-def]
            await known(client, rows)
            return {row["pos"] for row in rows}

        publisher.publish = publish
        try:
            return await original(connection, publisher, nc, stored)
        finally:
            publisher.publish = known

    replace(replay, "work", careless)
