"""A job's lease is taken although another replica holds it."""

from services.chassis import jobs
from tests.planted.planting import replace, without

RULE = "OPS-21"


def plant() -> None:
    where = "where job_run.finished_at is not null or job_run.beat_at < now() - cast(:limit as interval)"
    replace(jobs, "_TAKE", without(jobs._TAKE, where, "where cast(:limit as interval) is not null"))
