"""What events say may be read by the service that told them."""

from alembic import op

from services.chassis import schema

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rights alone."""
    schema.extend_chassis_3(op, "procurement")
