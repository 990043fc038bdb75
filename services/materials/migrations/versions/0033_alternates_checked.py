"""What a reservation adds up to holds for older rows too."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Compared beside the writers."""
    with op.get_context().autocommit_block():
        for name in ("adds_up", "substitutes"):
            op.execute(f"alter table reservation validate constraint ck_reservation_{name}")
