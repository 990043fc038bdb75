"""Goods beyond what an order accepts, goods without an order, documents that come along."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

COLUMNS = """
alter table expected_receipt add column over_receipt_action text not null default 'REJECT';
alter table receipt_line add column over boolean not null default false;
alter table receipt_line add column documents text[] not null default '{}';
alter table receipt_line add column spread_of integer not null default 0;
"""


def upgrade() -> None:
    """Columns that the release before fills by their defaults."""
    op.execute(COLUMNS)
