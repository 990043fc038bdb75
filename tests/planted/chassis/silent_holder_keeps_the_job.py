"""A job whose holder gives no sign is never taken over."""

from services.chassis import jobs
from tests.planted.planting import replace, without

RULE = "OPS-21"


def plant() -> None:
    late = "job_run.beat_at < now() - cast(:limit as interval)"
    replace(jobs, "_TAKE", without(jobs._TAKE, late, "cast(:limit as interval) is null"))
