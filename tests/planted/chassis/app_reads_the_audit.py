"""The role that serves calls may read and change the audit."""

from tests.planted.planting import execute

RULE = "SEC-44"


def plant() -> None:
    for service in ("maintenance", "materials", "procurement", "sample"):
        execute(service, f"grant select, update on audit to {service}_app")
