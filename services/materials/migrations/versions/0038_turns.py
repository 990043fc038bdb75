"""Stock is waited for in the order of coming: who names many items is not overtaken for ever."""

from pathlib import Path

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

POSTING = Path(__file__).with_suffix(".sql").read_text()


def upgrade() -> None:
    """Functions alone; those of the release before serve both."""
    op.execute(POSTING.replace(":=", r"\:="))
