"""A call that is sent twice while it waits is done twice in one batch."""

from services.chassis.lanes import Member
from tests.planted.planting import replace

RULE = "PERF-2"


def plant() -> None:
    replace(Member, "twin", property(lambda self: (str(id(self)), self.request.request_id)))
