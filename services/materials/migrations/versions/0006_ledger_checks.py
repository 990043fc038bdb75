"""The checks of stock and entries hold for what was there before."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Compared beside the writers."""
    with op.get_context().autocommit_block():
        op.execute("alter table balance validate constraint ck_balance_on_hand")
        op.execute("alter table movement_entry validate constraint ck_movement_entry_quantity")
