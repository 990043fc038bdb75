"""The role that serves calls may empty a table."""

from tests.planted.planting import execute

RULE = "SEC-45"


def plant() -> None:
    for service in ("maintenance", "materials", "procurement"):
        execute(service, f"grant truncate on idempotency to {service}_app")
