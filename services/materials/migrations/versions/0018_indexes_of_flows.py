"""Indexes that the flows of goods need on tables in use, and checks that hold for what was there before."""

from alembic import op

from services.chassis.migrate import index_later

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

INDEXES: dict[str, str] = {}
CHECKS = {"ck_reservation_whole": "reservation", "ck_reservation_covers": "reservation"}


def upgrade() -> None:
    """Built and compared beside the writers."""
    for name, on in INDEXES.items():
        index_later(op, name, on)
    with op.get_context().autocommit_block():
        for name, table in CHECKS.items():
            op.execute(f"alter table {table} validate constraint {name}")
