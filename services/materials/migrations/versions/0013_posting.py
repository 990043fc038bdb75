"""Posting in one round trip."""

from pathlib import Path

from alembic import op

POSTING = Path(__file__).with_name("0013_posting.sql").read_text()

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Functions alone: no table changes."""
    op.execute(POSTING.replace(":=", r"\:="))
