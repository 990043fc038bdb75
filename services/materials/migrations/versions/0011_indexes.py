"""Indexes that lists, open tasks and claims need on tables in use."""

from alembic import op

from services.chassis.migrate import index_later

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_balance_handling_unit": "balance (site, handling_unit, name)",
    "ix_put_away_task_proposed": "put_away_task (site, proposed_location) where state = 'READY'",
    "ix_location_path": "location (site, kind, path_order, name)",
    "ix_allocation_lot": "allocation (lot) where lot <> ''",
    "ix_receipt_line_item": "receipt_line (item)",
    "ix_expected_receipt_item": "expected_receipt (item)",
}


def upgrade() -> None:
    """Built beside the writers."""
    for name, on in INDEXES.items():
        index_later(op, name, on)
