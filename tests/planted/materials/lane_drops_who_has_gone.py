"""The movement of a caller that has gone is dropped from the queue."""

from services.chassis.lanes import Lane, Member
from tests.planted.planting import replace

RULE = "PERF-2"


def plant() -> None:
    original = vars(Lane)["_next"]

    def wanted(self: Lane) -> list[Member]:
        return [member for member in original(self) if not member.done.done()]

    replace(Lane, "_next", wanted)
