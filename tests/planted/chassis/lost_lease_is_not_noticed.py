"""A holder does not notice that another replica has taken its job over."""

from services.chassis import jobs
from tests.planted.planting import replace, without

RULE = "OPS-21"


def plant() -> None:
    replace(jobs, "_END", without(jobs._END, " and holder = :holder", " and cast(:holder as text) is not null"))
