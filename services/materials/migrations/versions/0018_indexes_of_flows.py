"""Indexes that the flows of goods need on tables in use."""

from alembic import op

from services.chassis.migrate import index_later

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

INDEXES: dict[str, str] = {}


def upgrade() -> None:
    """Built beside the writers."""
    for name, on in INDEXES.items():
        index_later(op, name, on)
