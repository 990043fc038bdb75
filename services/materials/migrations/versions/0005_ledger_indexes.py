"""Indexes of the ledger's later dimensions; those of the key without them go."""

from alembic import op

from services.chassis.migrate import index_later

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Built beside the writers."""
    index_later(op, "ix_movement_entry_balance", "movement_entry (balance, effective_time, item_sequence)")
    index_later(op, "ix_movement_xid", "movement (site, xid)")
    index_later(op, "ix_movement_entry_serial", "movement_entry (serial, item_sequence) where serial <> ''")
    for name, on in (
        ("uq_movement_entry_sequence", "movement_entry (site, item, item_sequence)"),
        ("uq_balance_dimensions", "balance (item, location, lot, status, serial, handling_unit, owner, project)"),
    ):
        with op.get_context().autocommit_block():
            op.execute(f"drop index concurrently if exists {name}")
            op.execute(f"create unique index concurrently {name} on {on}")
    for name in ("ix_movement_entry_key", "uq_balance_key"):
        with op.get_context().autocommit_block():
            op.execute(f"drop index concurrently if exists {name}")
