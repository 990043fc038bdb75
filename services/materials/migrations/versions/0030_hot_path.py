"""Movements inside the plant: fewer looks for each, ids of their own, and plans that do not lean on small tables."""

from pathlib import Path

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

POSTING = Path(__file__).with_suffix(".sql").read_text()


def upgrade() -> None:
    """The function's text once more, as a whole."""
    op.execute(POSTING.replace(":=", r"\:="))
