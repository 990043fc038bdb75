"""Indexes of movements leave out what nearly all of them hold; rules of stock below zero hold for older rows too."""

from alembic import op

from services.chassis.migrate import index_later

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

CHECKS = {
    "ck_balance_on_hand": "balance", "ck_balance_reserved": "balance", "ck_value_balance_quantity": "value_balance",
    "ck_value_balance_value": "value_balance",
}  # fmt: skip
UNUSUAL = {"lot": "", "source": "", "from_status": "UNRESTRICTED", "to_status": "UNRESTRICTED"}


def upgrade() -> None:
    """Built beside the writers; what each replaces goes when it serves."""
    for column, usual in UNUSUAL.items():
        index_later(op, f"ix_movement_{column}_unusual", f"movement (site, {column}, name) where {column} <> '{usual}'")
        with op.get_context().autocommit_block():
            op.execute(f"drop index concurrently if exists ix_movement_{column}")
    with op.get_context().autocommit_block():
        for name, table in CHECKS.items():
            op.execute(f"alter table {table} validate constraint {name}")
