"""When each consumer had got everything that was told."""

from alembic import op

from services.chassis import schema

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One small table."""
    schema.extend_chassis_4(op, "maintenance")
