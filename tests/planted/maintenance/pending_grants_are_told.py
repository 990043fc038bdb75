"""A grant that waits or was revoked is told as in force."""

from typing import Any

from services.chassis.access import Grant
from services.maintenance.model.person import Person
from tests.planted.planting import replace

RULE = "MNT-208"


def plant() -> None:
    def in_force(self: Any) -> list[Grant]:
        return [Grant(grant.role, grant.site, grant.from_time, grant.to_time) for grant in self.grants]

    replace(Person, "in_force", in_force)
