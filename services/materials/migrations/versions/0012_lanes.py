"""A function that posts movements of several people, and leaves out those that need more."""

from pathlib import Path

from alembic import op

COMMANDS = Path(__file__).with_name("0012_lanes.sql").read_text()

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The function alone: no table changes."""
    op.execute(COMMANDS.replace(":=", r"\:="))
