"""Which stream the relay publishes to, where its window stands, and events that are told again."""

from alembic import op

from services.chassis import schema

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and the table of replay requests."""
    schema.extend_chassis_2(op, "procurement")
