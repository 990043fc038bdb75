"""What stands in for a demand's item is claimed by a reservation of its own (MAT-10)."""

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New columns with constant defaults."""
