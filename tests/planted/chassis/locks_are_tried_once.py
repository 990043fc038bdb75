"""A migration that does not get a lock at once fails."""

from typing import Any

from alembic import command

from services.chassis import migrate
from tests.planted.planting import replace

RULE = "REL-82"


def plant() -> None:
    def once(config: Any, connection: Any, revision: str, until: float) -> None:
        command.upgrade(config, revision)

    replace(migrate, "_stepwise", once)
