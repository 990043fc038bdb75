"""A service that writes down when each event was committed and when its effect was; by the machine's one steady clock.

`python -m tests.load.observed <service> <file>` is `python -m services.<service>` otherwise. A line is `told` or
`applied`, the event's id, and seconds.
"""

import sys
import time
from typing import IO, Any

from services.chassis import outbox, serve
from services.chassis.command import Commands
from services.chassis.inbox import Inbox


def observe(lines: IO[str]) -> None:
    """Put clocks behind both commits."""
    write, commit, apply = outbox.write, Commands.commit, Inbox.apply

    async def written(session: Any, service: str, rows: Any) -> None:
        await write(session, service, rows)
        session.info.setdefault("told", []).extend(row.event_id for row in rows)

    async def committed(self: Commands, session: Any) -> None:
        await commit(self, session)
        now = time.perf_counter()
        for event_id in session.info.pop("told", ()):
            lines.write(f"told {event_id} {now}\n")

    async def applied(self: Inbox, envelope: Any, payload: bytes) -> str:
        outcome = await apply(self, envelope, payload)
        if outcome == "applied":
            lines.write(f"applied {envelope.event_id} {time.perf_counter()}\n")
        return outcome

    outbox.write = written
    Commands.commit = committed  # type: ignore[method-assign]  # observed where it is, without a hook in the product
    Inbox.apply = applied  # type: ignore[method-assign]


if __name__ == "__main__":
    with open(sys.argv[2], "a", buffering=1) as file:
        observe(file)
        serve.main(sys.argv[1])
