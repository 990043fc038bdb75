"""The people of the sample plant: who they are and which roles they hold where."""

from dataclasses import dataclass

SITE = "hamburg"
EVERYWHERE = "-"


@dataclass(frozen=True, slots=True)
class Member:
    """A person with roles: (role, site) pairs; "-" is the whole enterprise."""

    person: str
    name: str
    grants: tuple[tuple[str, str], ...]


STAFF = (
    Member("paul", "Paul Brandt, maintenance planner", (("planner", EVERYWHERE),)),
    Member("petra", "Petra Lindner, reliability engineer", (("planner", EVERYWHERE),)),
    Member("tina", "Tina Sommer, technician, workshop", (("technician", SITE),)),
    Member("tom", "Tom Okafor, technician, field", (("technician", SITE),)),
    Member("olaf", "Olaf Petersen, excavator operator", (("operator", SITE),)),
    Member("sam", "Sam Yilmaz, storekeeper", (("storekeeper", SITE),)),
    Member("stella", "Stella Krause, head of stores", (("storekeeper", SITE), ("approver", SITE))),
    Member("mara", "Mara Jansen, stock planner", (("stockplanner", EVERYWHERE),)),
    Member("ines", "Ines Moreau, incoming inspection", (("inspector", SITE),)),
    Member("ben", "Ben Fischer, buyer", (("buyer", EVERYWHERE),)),
    Member("bea", "Bea Nowak, senior buyer", (("buyer", EVERYWHERE), ("approver", EVERYWHERE))),
    Member("ada", "Ada Reimers, plant manager", (("approver", EVERYWHERE),)),
    Member("alex", "Alex Weber, accounting", (("accountant", SITE),)),
    Member("vic", "Vic Andersen, auditor", (("auditor", EVERYWHERE),)),
    Member("opal", "Opal Hansen, plant IT", (("operations", EVERYWHERE),)),
)

NEED_SECOND_PERSON = frozenset({"approver", "accountant", "administrator"})
"""Roles whose grant waits for another administrator's confirmation."""
