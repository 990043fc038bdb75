"""Indexes that measures over a window read by, and jobs that look for what begins."""

from alembic import op

from services.chassis.migrate import index_later

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_reservation_update_time": "reservation (site, update_time)",
    "ix_put_away_task_update_time": "put_away_task (site, state, update_time)",
    "ix_put_away_task_reservation": "put_away_task (reservation) where reservation <> ''",
    "ix_hold_create_time": "hold (site, create_time)",
    "ix_materials_revision_start_time": "materials_revision (start_time) where state = 'APPROVED'",
}


def upgrade() -> None:
    """Built beside the writers."""
    for name, on in INDEXES.items():
        index_later(op, name, on)
